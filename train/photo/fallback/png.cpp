// Stands in for ../png.cpp in builds without libpng: 8 bits are written, and nothing is said about the
// picture.
#include "train/photo/codec.h"

namespace gan::codec {

const Codec png = {decode_stb, encode_png_stb};

}  // namespace gan::codec
