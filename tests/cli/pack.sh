#!/usr/bin/env bash
# labels: pack
# m2mkd-pack: sources, second run, messages and exit codes, on small files made here.
# shellcheck source=tests/support/checks.sh
. "$(dirname "$0")/../support/checks.sh"
program=$pack

# 12 images of 2 x 3 pixels in 3 classes, as IDX (plain and gzip) and as .npy of several types.
python3 - "$W" <<'P' || exit 1
import gzip, os, struct, sys
def put(name, data): open(os.path.join(sys.argv[1], name), 'wb').write(data)
pixels = bytes(range(10, 82)); labels = bytes(i % 3 for i in range(12))
idx = lambda data, *shape: struct.pack('>BBBB', 0, 0, 8, len(shape)) + struct.pack('>%dI' % len(shape), *shape) + data
put('i.idx', idx(pixels, 12, 2, 3)); put('l.idx', idx(labels, 12))
put('i.gz', gzip.compress(idx(pixels, 12, 2, 3))); put('l.gz', gzip.compress(idx(labels, 12)))
put('cut.gz', gzip.compress(idx(pixels, 12, 2, 3))[:-20]); put('more.idx', idx(pixels + b'x', 12, 2, 3))
put('l11.idx', idx(labels[:11], 11))
def npy(data, descr, shape, order=False, version=1):
    head = "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" % (descr, order, shape)
    head += ' ' * (-(len(head) + 11) % 64) + '\n'
    return b'\x93NUMPY' + bytes([version, 0]) + struct.pack('<H' if version == 1 else '<I', len(head)) + head.encode() + data
put('i.npy', npy(pixels, '|u1', '(12, 2, 3)')); put('i4.npy', npy(pixels, '|u1', '(12, 2, 3, 1)', version=2))
put('l8.npy', npy(struct.pack('<12q', *labels), '<i8', '(12,)')); put('l4.npy', npy(struct.pack('<12I', *labels), '<u4', '(12,)'))
put('neg.npy', npy(struct.pack('<12h', *([-1] * 12)), '<i2', '(12,)')); put('lf.npy', npy(struct.pack('<12f', *labels), '<f4', '(12,)'))
floats = [float(k) / 7 for k in range(12 * 4)]
put('f.npy', npy(struct.pack('<48f', *floats), '<f4', '(12, 1, 2, 2)'))
floats[29] = float('nan'); put('nan.npy', npy(struct.pack('<48f', *floats), '<f4', '(12, 1, 2, 2)'))
put('fortran.npy', npy(pixels, '|u1', '(12, 2, 3)', order=True)); put('big.npy', npy(struct.pack('>12q', *labels), '>i8', '(12,)'))
put('short.npy', npy(pixels[:-1], '|u1', '(12, 2, 3)')); put('text.npy', b'no numpy file')
put('nchw.npy', npy(bytes(12 * 3 * 8 * 8), '|u1', '(12, 3, 8, 8)')); put('col.npy', npy(labels, '|u1', '(12, 1)'))
put('names', b'ant\nbee\ncat\n'); put('two', b'ant\nbee\n')
P
cd "$W" || exit 1
[[ $pack == /* ]] || pack=$OLDPWD/$pack
idx=(idx --name tiny --train-images i.idx --train-labels l.idx)

"$pack" --help >help 2>err
check "help exits 0 and goes to stdout" test $? = 0 -a -s help -a ! -s err
check "help names every source" grep -q fashion-mnist help
says 2 "known sources: fashion-mnist, idx, npy, cifar, folder" cifr --out d
says 2 "SOURCE is one of" --out d
says 2 "--out is missing" fashion-mnist
says 2 "did you mean '--train-images'" idx --train-image x --out d
says 2 "no flag of source fashion-mnist" fashion-mnist --images x --out d
says 1 "apt-get install dataset-fashion-mnist" fashion-mnist --source-dir "$W" --out d
check "nothing was written so far" test ! -e d

# The same images by every way in: the digest is that of the contents.
says 0 "12 images of 2 x 3 x 1, 3 classes, .*written" "${idx[@]}" --test-images i.gz --test-labels l.gz --out a
says 0 "already there" "${idx[@]}" --test-images i.gz --test-labels l.gz --out a
says 0 "written" "${idx[@]}" --test-images i.gz --test-labels l.gz --out a --force
says 0 "the same images as train.h5" npy --name tiny --images i.npy --labels l8.npy --out b
says 0 "written" npy --name tiny --images i4.npy --labels l4.npy --out c
digests=$({ "$pack" "${idx[@]}" --test-images i.gz --test-labels l.gz --out a; "$pack" npy --name tiny --images i.npy --labels l8.npy --out b
  "$pack" npy --name tiny --images i4.npy --labels l4.npy --out c; } | grep -o 'digest [0-9a-f]*' | sort -u)
check "one digest, not: $digests" test "$(wc -l <<<"$digests")" = 1
# Pixels 10..81: mean 45.5/255, deviation sqrt((72² - 1)/12)/255.
says 0 "mean 0.1784, std 0.0815" npy --name tiny --images i.npy --labels l8.npy --out b
says 0 "mean 0.5000, std 0.2500, .*written" npy --name tiny --images i.npy --labels l8.npy --mean 0.5 --std 0.25 --out b
says 0 "written" npy --name tiny --images i.npy --labels l8.npy --classes-file names --out b
says 0 "12 images of 2 x 2 x 1, .*mean 0.0000, std 1.0000" npy --images f.npy --labels l8.npy --out f
# One damaged pixel in the output is noticed and mended.
python3 -c "p = 'c/train.h5'; d = open(p, 'rb').read(); k = d.index(bytes(range(10, 82))); open(p, 'wb').write(d[:k] + b'!' + d[k + 1:])"
says 0 "train.h5.*written" npy --name tiny --images i4.npy --labels l4.npy --out c

# Damage is refused with the file's name, and leaves no output behind.
says 1 "cut.gz: .*truncated or damaged" "${idx[@]}" --test-images cut.gz --test-labels l.idx --out x
check "no test file from a truncated source" test ! -e x/test.h5 -a -z "$(find x -name '*.tmp*')"
says 1 "more.idx: holds more data" "${idx[@]}" --test-images more.idx --test-labels l.idx --out x
says 1 "12 images but 11 labels" "${idx[@]}" --test-images i.idx --test-labels l11.idx --out x
says 1 "not an IDX file" "${idx[@]}" --test-images names --test-labels l.idx --out x
bad() { local images=$1 labels=$2 pattern=$3; shift 3; says 1 "$pattern" npy --images "$images" --labels "$labels" --out x "$@"; }
bad i.npy neg.npy "label -1 of image 0"
bad i.npy l8.npy "label 2 of image 2 is outside the 2 classes" --classes-file two
bad i.npy lf.npy "labels of type f4"
bad i.npy big.npy "big-endian"
bad i.npy col.npy "labels.reshape(-1)"
bad fortran.npy l8.npy "ascontiguousarray"
bad short.npy l8.npy "needs 72 bytes, the file has 71"
bad text.npy l8.npy "numpy.save"
bad nchw.npy l8.npy "looks like (N, C, H, W)"
bad nan.npy l8.npy "image 7 holds nan"
bad l8.npy l8.npy "images are uint8"
says 2 "go together" npy --images i.npy --labels l8.npy --test-images i.npy --out x
says 2 "one per channel" npy --images i.npy --labels l8.npy --mean "0.5 0.5" --std "1 1" --out x
says 2 "already normalised" npy --images f.npy --labels l8.npy --mean 0 --std 1 --out x

# What h5py, a reader of its own, finds in the file.
if python3 -c 'import h5py' 2>/dev/null; then
  says 0 "written" npy --name tiny --images i.npy --labels l8.npy --classes-file names --out y
  check "h5py reads the same images" python3 - <<'P'
import h5py
f = h5py.File('y/train.h5')
assert bytes(f['images/pixels'][()].tobytes()) == bytes(range(10, 82)) and f['images/pixels'].shape == (12, 2, 3, 1)
assert list(f['labels'][()]) == [i % 3 for i in range(12)] and [c.decode() for c in f['classes'][()]] == ['ant', 'bee', 'cat']
P
fi
# CIFAR: 5 records of label and planes in two files; CIFAR-100 has two labels, of which the fine one counts.
python3 - <<'P'
import os
def record(labels, i): return bytes(labels) + b''.join(bytes((17 * i + 85 * c + k) % 251 for k in range(1024)) for c in range(3))
os.makedirs('c10'); os.makedirs('c100'); os.makedirs('c0')
open('c10/data_batch_1.bin', 'wb').write(record([3], 0) + record([9], 1) + record([0], 2))
open('c10/data_batch_2.bin', 'wb').write(record([1], 3) + record([2], 4))
open('c10/test_batch.bin', 'wb').write(record([5], 9))
open('c10/batches.meta.txt', 'w').write('\n'.join('plane car bird cat deer dog frog horse ship truck'.split()) + '\n\n')
open('c100/train.bin', 'wb').write(record([4, 99], 0) + record([0, 7], 1)); open('c100/test.bin', 'wb').write(record([1, 2], 5))
P
says 0 "5 images of 32 x 32 x 3, 10 classes, .*written" cifar --source-dir c10 --out k10
says 0 "already there" cifar --source-dir c10 --out k10
says 0 "2 images of 32 x 32 x 3, 100 classes" cifar --source-dir c100 --out k100 --mean "0.5 0.5 0.5" --std "0.2 0.2 0.2"
says 1 "holds neither data_batch" cifar --source-dir c0 --out x
says 2 "--source-dir is missing" cifar --out x
printf x >>c10/data_batch_2.bin
says 1 "data_batch_2.bin: truncated or no CIFAR file: 6147 bytes are not a multiple of 3073" cifar --source-dir c10 --out x
if python3 -c 'import h5py' 2>/dev/null; then
  check "h5py reads CIFAR's pixels and fine labels" python3 - <<'P'
import h5py
f, g = h5py.File('k10/train.h5'), h5py.File('k100/train.h5')
x = f['images/pixels'][()]
assert all(x[i, y, z, c] == (17 * i + 85 * c + 32 * y + z) % 251 for i in range(5) for y in (0, 31) for z in (0, 1, 31) for c in range(3))
assert list(f['labels'][()]) == [3, 9, 0, 1, 2] and f['classes'][9].decode() == 'truck' and f.attrs['name'] == 'cifar10'
assert list(g['labels'][()]) == [99, 7] and list(g.attrs['mean']) == [0.5] * 3
P
fi

# A folder of JPEG files, stored byte for byte. Pillow makes them; without it this part is left out.
if /usr/bin/python3 -c 'import PIL, h5py' 2>/dev/null; then
  /usr/bin/python3 - <<'P'
import os
from PIL import Image
for split, counts in (('train', {'n02': 3, 'n01': 2, 'n10': 1}), ('val', {'n10': 1, 'n01': 1})):
    for name, count in counts.items():
        os.makedirs(f'tree/{split}/{name}/images')
        for i in range(count):
            path = f'tree/{split}/{name}/images/b.JPEG' if i == 2 else f'tree/{split}/{name}/{9 - i}.jpg'
            Image.new('RGB', (20 + i, 30 + len(split)), (40 * i, 9, 200)).save(path)
open('tree/train/n01/boxes.txt', 'w').write('1 2 3'); open('tree/train/.listing', 'w').write('x')
open('order', 'w').write('n10\nn99\nn01\nn02\n'); open('short', 'w').write('n10\nn01\n')
P
  says 0 "6 JPEG images (0.0 MB), 3 classes, mean 0.4850 0.4560 0.4060, std 0.2290 0.2240 0.2250, .*written" folder --source-dir tree --out j
  says 0 "already there" folder --source-dir tree --out j
  says 0 "note: tree/train: 1 files that are no images" folder --source-dir tree --out j
  says 0 "4 classes, mean 0.5000 0.5000 0.5000" folder --source-dir tree --classes order --mean "0.5 0.5 0.5" --std "1 1 1" --out jo
  check "h5py reads the files back" /usr/bin/python3 - <<'P'
import h5py
f, g = h5py.File('j/train.h5'), h5py.File('jo/test.h5')
names = 'n01/8 n01/9 n02/8 n02/9 n02/images/b n10/9'.split()
files = [open('tree/train/' + n + ('.JPEG' if n.endswith('b') else '.jpg'), 'rb').read() for n in names]
at, data = f['images/offset'][()], f['images/bytes'][()].tobytes()
assert at[0] == 0 and at[-1] == len(data) and [data[at[i]:at[i + 1]] for i in range(6)] == files
assert list(f['labels'][()]) == [0, 0, 1, 1, 1, 2] and [c.decode() for c in f['classes'][()]] == ['n01', 'n02', 'n10']
assert list(g['labels'][()]) == [2, 0] and [c.decode() for c in g['classes'][()]] == ['n10', 'n99', 'n01', 'n02']
P
  if m2mkd=$(command -v "${pack%-pack}"); then
    check "inspect shows encoded images" grep -q '6 of any size, 3 channels, jpeg' <("$m2mkd" inspect j/train.h5 --verify)
  fi
  says 1 "tree/train/n02: no such class" folder --source-dir tree --classes short --out x
  says 1 "nothing/train: no such folder" folder --source-dir nothing --out x
  cp -r tree broken
  size=$(stat -c %s tree/train/n02/9.jpg)
  head -c "$((size * 6 / 10))" tree/train/n02/9.jpg >broken/train/n02/9.jpg && echo no image >broken/train/n10/9.jpg # one with a sound header
  says 1 "2 file(s) cannot be decoded as JPEG:" folder --source-dir broken --out xb
  says 1 "broken/train/n02/9.jpg: a JPEG image is damaged" folder --source-dir broken --out xb
  says 1 "broken/train/n10/9.jpg: a JPEG image is damaged" folder --source-dir broken --out xb
  check "no file from a broken source" test ! -e xb/train.h5
  mkdir -p numbers/train numbers/val
  for k in 1 2 10; do cp -r tree/train/n01 "numbers/train/$k" && cp -r tree/val/n01 "numbers/val/$k"; done
  says 0 "note: class folders are numbers.*'10' is label 1, '2' is label 2" folder --source-dir numbers --out numbers/out
  for k in 1 2 3 4; do cp tree/train/n02/9.jpg "tree/train/n02/$k.png"; done
  says 1 "4 images are not JPEG: .*1.png, .*2.png, .*3.png, …: convert them" folder --source-dir tree --out x
else
  echo "pack: JPEG files were not tested (python3-pil and python3-h5py are not installed)"
fi
finish pack
