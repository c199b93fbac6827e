#!/usr/bin/env bash
# render_photos.sh FOLDER: one small picture as a file of every format and kind that is read, for the
# tests and to start fuzzing from. base.png is what the others show; base_alpha.png has the alpha plane
# of those that have one. Needs ImageMagick.
set -euo pipefail
[ $# = 1 ] || { echo "usage: render_photos.sh FOLDER" >&2; exit 2; }
mkdir -p "$1"
cd "$1"

# No two corners are alike, and no side is a multiple of 8.
convert -size 31x45 gradient:'#d03020-#20b0d0' -rotate 90 \
  -fill '#f0e040' -draw 'circle 9,7 13,7' -fill '#205010' -draw 'rectangle 30,20 40,27' \
  -fill '#808080' -draw 'point 44,30' -depth 8 PNG24:base.png
convert base.png \( -size 45x31 gradient:white-'#101010' \) -alpha off -compose CopyOpacity \
  -composite PNG32:base_alpha.png

rgb=(base.png) alpha=(base_alpha.png) gray=(base.png -grayscale Rec601Luma)

# PNG: the color types 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.
png() { # NAME COLOR-TYPE BITS INPUT...
  local name=$1 type=$2 bits=$3
  shift 3
  convert "$@" -define png:color-type="$type" -define png:bit-depth="$bits" "png_$name.png"
  convert "$@" -interlace PNG -define png:color-type="$type" -define png:bit-depth="$bits" \
    "png_${name}_interlaced.png"
}
png gray 0 8 "${gray[@]}"
png gray16 0 16 "${gray[@]}" -depth 16
png gray_alpha 4 8 "${alpha[@]}" -grayscale Rec601Luma
png gray_alpha16 4 16 "${alpha[@]}" -grayscale Rec601Luma -depth 16
png rgb 2 8 "${rgb[@]}"
png rgb16 2 16 "${rgb[@]}" -depth 16
png rgba 6 8 "${alpha[@]}"
png rgba16 6 16 "${alpha[@]}" -depth 16
png palette 3 8 "${rgb[@]}" +dither -colors 200
convert "${rgb[@]}" -threshold 50% -define png:color-type=0 -define png:bit-depth=1 png_bilevel.png
convert "${alpha[@]}" -channel A -threshold 50% +channel +dither -colors 100 PNG8:png_palette_alpha.png

convert "${rgb[@]}" -quality 95 -sampling-factor 1x1 jpeg.jpg
convert "${rgb[@]}" -quality 95 -sampling-factor 2x2 jpeg_420.jpg
convert "${rgb[@]}" -quality 95 -sampling-factor 1x1 -interlace JPEG jpeg_progressive.jpg
convert "${gray[@]}" -quality 95 jpeg_gray.jpg
convert "${gray[@]}" -quality 95 -interlace JPEG jpeg_gray_progressive.jpg
convert "${rgb[@]}" -colorspace CMYK -quality 95 -sampling-factor 1x1 jpeg_cmyk.jpg

convert "${rgb[@]}" BMP3:bmp.bmp
convert "${rgb[@]}" +dither -colors 200 -compress None BMP3:bmp_palette.bmp
convert "${rgb[@]}" +dither -colors 200 -compress RLE BMP3:bmp_compressed.bmp
convert "${alpha[@]}" BMP:bmp_alpha.bmp
# Without a mark of orientation ImageMagick writes rows in the order that the header denies.
convert "${rgb[@]}" -orient TopLeft -compress None tga.tga
convert "${rgb[@]}" -orient TopLeft -compress RLE tga_rle.tga
convert "${gray[@]}" -orient TopLeft -compress None tga_gray.tga
convert "${alpha[@]}" -orient TopLeft -compress None tga_alpha.tga
convert "${rgb[@]}" +dither -colors 200 gif.gif
convert "${rgb[@]}" +dither -colors 200 \( base.png -negate \) -loop 0 gif_animated.gif

convert "${rgb[@]}" -define webp:lossless=true webp_lossless.webp
convert "${rgb[@]}" -quality 95 webp.webp
convert "${alpha[@]}" -define webp:lossless=true -define webp:exact=true webp_alpha.webp

convert "${rgb[@]}" -compress None tiff.tif
convert "${rgb[@]}" -compress LZW -endian MSB tiff_lzw.tif
convert "${rgb[@]}" -compress Zip -define tiff:tile-geometry=16x16 tiff_tiled.tif
convert "${rgb[@]}" -compress Zip -depth 16 tiff_rgb16.tif
convert "${rgb[@]}" -compress Zip -interlace Plane tiff_planar.tif
convert "${rgb[@]}" -compress JPEG -quality 95 -sampling-factor 1x1 tiff_jpeg.tif
convert "${gray[@]}" -compress None tiff_gray.tif
convert "${gray[@]}" -compress LZW -depth 16 tiff_gray16.tif
convert "${alpha[@]}" -compress Zip tiff_alpha.tif
convert "${rgb[@]}" +dither -colors 200 -type Palette -compress None tiff_palette.tif
convert "${rgb[@]}" -colorspace CMYK -compress Zip tiff_cmyk.tif
convert "${rgb[@]}" -threshold 50% -type Bilevel -compress Group4 tiff_bilevel.tif

# As the eight ways a camera can be held leave them in the file. The mark that says so is in TIFF files
# only; the tests add it to the others.
turned=("" -flop "-rotate 180" -flip -transpose "-rotate 270" -transverse "-rotate 90")
marks=(TopLeft TopRight BottomRight BottomLeft LeftTop RightTop RightBottom LeftBottom)
for i in 1 2 3 4 5 6 7 8; do
  operation=${turned[$((i - 1))]}
  # shellcheck disable=SC2086 # an operation is an option and its value
  convert base.png $operation +repage PNG24:"turned_$i.png"
  convert "turned_$i.png" -quality 95 -sampling-factor 1x1 "turned_$i.jpg"
  convert "turned_$i.png" -define webp:lossless=true "turned_$i.webp"
  convert "turned_$i.png" -orient "${marks[$((i - 1))]}" -compress None "turned_$i.tif"
done
