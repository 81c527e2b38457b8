//! A picture: encoded as JPEG (`jpeg-encoder`) and decoded again (`zune-jpeg`), resized (`fast_image_resize`, SIMD),
//! written as PNG (`png`). `picture [WIDTH]`

use bench_guests::{Random, checksum, size};
use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

fn main() {
    let width = size(1200) as u16;
    let height = width * 3 / 4;
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 85)
        .encode(&landscape(width, height), width, height, jpeg_encoder::ColorType::Rgb)
        .expect("it can be encoded");
    println!("{width} x {height}: {} bytes of JPEG, {:016x}", jpeg.len(), checksum(&jpeg));

    // Transforms for one processor's vectors round otherwise than those for another's: these are for none.
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGBA).set_use_unsafe(false);
    let pixels = JpegDecoder::new_with_options(ZCursor::new(&jpeg), options).decode().expect("it can be decoded");
    println!("decoded, {:016x}", checksum(&pixels));
    let source = Image::from_vec_u8(width.into(), height.into(), pixels, PixelType::U8x4).expect("the sizes fit");
    for (filter, divisor) in [(FilterType::Lanczos3, 2), (FilterType::Bilinear, 3), (FilterType::CatmullRom, 5)] {
        let mut small = Image::new((width / divisor).into(), (height / divisor).into(), PixelType::U8x4);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
        Resizer::new().resize(&source, &mut small, &options).expect("it can be resized");
        println!("a {divisor}. of it: {:016x}, {} bytes of PNG", checksum(small.buffer()), png(&small).len());
    }
}

fn png(image: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("it can be written");
    writer.write_image_data(image.buffer()).expect("it can be written");
    writer.finish().expect("it can be written");
    bytes
}

/// Hills under a sky, with some noise; three bytes a pixel.
fn landscape(width: u16, height: u16) -> Vec<u8> {
    let mut random = Random(7);
    let (width, height) = (usize::from(width), usize::from(height));
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let colour = |(x, y): (usize, usize)| {
        let hill = height / 2 + (x * 7 / 3 % 301).abs_diff(150) + (x / 5 % 83).abs_diff(41);
        let noise = random.below(24) as u8;
        if y < hill {
            [90 + (y * 80 / height) as u8 + noise / 4, 140 + noise / 4, 200]
        } else {
            [60 + noise, 110 + noise * 2, (40 + (x ^ y) % 32) as u8]
        }
    };
    pixels.flat_map(colour).collect()
}
