#!/usr/bin/env bash
# vim_data index, and training from tar files: the same bits as from the folders that were packed.
# shellcheck source-path=SCRIPTDIR source=e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"
if ! command -v tar >/dev/null; then
  printf 'SKIP: no tar program here\n'
  exit 0
fi

train() {
  expect_exit 0 "${TRAIN[@]}" --set data.format=auto --set data.path=images/train.tar \
    --set data.val_path=images/test.tar --set train.epochs=2 --output "$1"
}

# Folders named as the tar files will be, so that both configurations are the same.
make_images
mv images/train images/train.tar
mv images/test images/test.tar
train from_folder
mv images folders
mkdir images

# The training set a tar file a class, as ImageNet's is; the test set as it is, its files reversed.
for class in folders/train.tar/*/; do
  tar -C "$class" -cf "images/$(basename "$class").tar" .
done
(cd images && tar -cf train.tar ./*.tar --remove-files)
(cd folders && find test.tar -type f | sort -r >list && tar -cf ../images/test.tar -T list)

expect_exit 0 "$BIN/vim_data" index images/train.tar
expect_line out '^images/train.tar.vimindex: 200 images of 10 classes, .* 0 links, 0 other files'
expect_exit 0 "$BIN/vim_data" index images/train.tar
expect_line out 'train.tar.vimindex: up to date, 200 images of 10 classes'
train from_tar
expect_same_run from_folder from_tar
expect_file images/test.tar.vimindex

head -c 30000 images/train.tar >cut.tar
expect_error '^error: cut.tar: damaged at byte [0-9]+: .*; download' "$BIN/vim_data" index cut.tar
expect_error '^error: folders/list: is there and no index' \
  "$BIN/vim_data" index images/test.tar --output folders/list
