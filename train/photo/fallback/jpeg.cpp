// Stands in for ../jpeg.cpp in builds without libjpeg: the same pictures, without what is said about
// them.
#include "train/photo/codec.h"

namespace gan::codec {

const Codec jpeg = {decode_stb, encode_jpeg_stb};

}  // namespace gan::codec
