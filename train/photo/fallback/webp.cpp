// Stands in for ../webp.cpp in builds without libwebp.
#include "train/photo/codec.h"

namespace gan::codec {

const Codec webp = {};

}  // namespace gan::codec
