# SPDX-License-Identifier: GPL-2.0-or-later
# Draws what build/tests/week has written into the directory `dir`, which is given by -e.
set terminal png size 1400,900
set output dir."/week.png"
set multiplot layout 3,1
set xrange [0:7]
set xtics 1
set grid
set ylabel "requests in 10 minutes"
# The cold start is higher by far, and is cut.
calm(name) = system("awk '$1 >= 1 && $2 > m { m = $2 } END { print m * 1.25 }' ".name) + 0
do for [name in "auto calm default"] {
	file = dir."/week-".name.".txt"
	set yrange [0:calm(file)]
	set title name eq "auto" ? "maxdelay auto, with outages and limits" : \
		name eq "calm" ? "maxdelay auto, responders always up" : \
		"mindelay 300, maxdelay 3600, with outages and limits, a tenth of the certificates"
	if (name eq "default") { set xlabel "days; a reload at noon of each" }
	plot file with steps notitle
}
unset multiplot
