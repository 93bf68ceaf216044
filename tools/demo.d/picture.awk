# SPDX-License-Identifier: LGPL-3.0-or-later
# picture: a PPM of width x height pixels with smooth and sharp parts.
# No sample is 0: not every awk can print that byte.

BEGIN {
	printf "P6\n%d %d\n255\n", width, height
	for (i = 1; i < 256; i++)
		byte[i] = sprintf("%c", i)
	for (x = 0; x < width; x++)
		wave[x] = sin(x * 12 / width)
	for (y = 0; y < height; y++) {
		swell = cos(y * 9 / height)
		green = byte[1 + int(254 * y / height)]
		row = ""
		for (x = 0; x < width; x++) {
			ring = int(128 + 60 * wave[x] + 60 * swell)
			row = row byte[ring] green byte[256 - ring]
		}
		printf "%s", row
	}
}
