/* SPDX-License-Identifier: GPL-2.0-or-later */
/* week.c - prints what the schedule makes of a week, for each length of life, and writes the rate
 * of requests to files for week.plot.
 *
 * week CERTS DIRECTORY
 *
 * Ends with 1 if the schedule has missed its goals.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "week.h"

#define RATIO_MOST 1.2
#define PEAK_MOST 1.3

static struct week_report report;
static int missed;

/* Writes how long <s> is, as administrators do. */
static const char *span(int64_t s)
{
	static char text[32];

	if (s >= WEEK_DAY)
		snprintf(text, sizeof(text), "%g d", (double)s / WEEK_DAY);
	else
		snprintf(text, sizeof(text), "%lld h", (long long)(s / WEEK_HOUR));
	return text;
}

static double ratio(const struct week_count *c)
{
	return c->least ? (double)c->requests / (double)c->least : 0;
}

static void print_row(const char *name, const struct week_count *c, const uint32_t *bins)
{
	size_t at;

	printf("%-5s %7zu %9llu %9llu %5.2f %9llu %9llu", name, c->certs,
	       (unsigned long long)c->requests, (unsigned long long)c->least, ratio(c),
	       (unsigned long long)c->failures, (unsigned long long)c->stale);
	printf(" %7.3f %5.3f %5.3f %8llu %7llu %7.2f\n", week_age(c, 500) / 1000.0,
	       week_age(c, 990) / 1000.0, week_age(c, 1000) / 1000.0,
	       (unsigned long long)c->expired, (unsigned long long)c->needlessly,
	       week_peak(bins, &at));
}

/* Prints the sum of all responders whose responses live for <life_s>. */
static void print_life(int64_t life_s)
{
	static struct week_count sum;
	static uint32_t bins[WEEK_BINS];
	size_t i, k;

	memset(&sum, 0, sizeof(sum));
	memset(bins, 0, sizeof(bins));
	for (i = 0; i < WEEK_RESPONDERS; i++) {
		if (week_responders[i].life_s != life_s)
			continue;
		week_add(&sum, &report.each[i]);
		for (k = 0; k < WEEK_BINS; k++)
			bins[k] += report.by[i][k];
	}
	print_row(span(life_s), &sum, bins);
}

static void print_rate(void)
{
	uint32_t first = 0;
	double peak;
	size_t at, i;

	peak = week_peak(report.bins, &at);
	for (i = 0; i < WEEK_CALM_BINS; i++)
		first = report.bins[i] > first ? report.bins[i] : first;
	printf("requests in 10 minutes: %.0f in the mean, %u at most (hour %.1f), %.2f times the "
	       "mean;\nthose are without the first day, in which they were %u at most; at most %u "
	       "connections then\n",
	       report.bins[at] / peak, report.bins[at], (double)at * WEEK_BIN_S / WEEK_HOUR, peak,
	       first, report.flying_most);
}

static void print_table(const struct week_conf *c)
{
	static const int64_t lives[] = { 4 * WEEK_HOUR, 12 * WEEK_HOUR, WEEK_DAY, 84 * WEEK_HOUR,
					 4 * WEEK_DAY, 7 * WEEK_DAY };
	size_t i;

	printf("\nmindelay %lld, maxdelay ", (long long)c->when.mindelay_s);
	if (c->when.maxdelay_s == OCU_WHEN_AUTO)
		printf("auto");
	else
		printf("%lld", (long long)c->when.maxdelay_s);
	printf(", %d responders, %s, a reload each day\n", WEEK_RESPONDERS,
	       c->troubled ? "with outages and limits" : "which are always up");
	printf("%-5s %7s %9s %9s %5s %9s %9s %19s %8s %7s %7s\n", "", "certi-", "", "", "", "",
	       "nothing", "age, part of life", "", "need-", "peak/");
	printf("%-5s %7s %9s %9s %5s %9s %9s %7s %5s %5s %8s %7s %7s\n", "life", "ficates",
	       "requests", "least", "ratio", "failures", "newer", "p50", "p99", "max", "expired",
	       "lessly", "mean");
	for (i = 0; i < sizeof(lives) / sizeof(lives[0]); i++)
		print_life(lives[i]);
	print_row("all", &report.all, report.bins);
	print_rate();
}

/* ---- What cache headers save ---- */

/* The weeks of the table of cache headers: max-age is honoured, or not looked at. */
static struct week_report honoured, unheard;

/* Prints the sum of all responders whose answers name <header>. */
static void print_header(const char *name, enum week_header header)
{
	static struct week_count with, without;
	size_t i;

	memset(&with, 0, sizeof(with));
	memset(&without, 0, sizeof(without));
	for (i = 0; i < WEEK_RESPONDERS; i++) {
		if (week_responders[i].header != header)
			continue;
		week_add(&with, &honoured.each[i]);
		week_add(&without, &unheard.each[i]);
	}
	printf("%-28s %7zu %9llu %9llu %7.3f %9llu %9.3f\n", name, with.certs,
	       (unsigned long long)without.requests, (unsigned long long)with.requests,
	       (double)with.requests / (double)without.requests, (unsigned long long)with.same,
	       (double)with.same / (double)with.requests);
}

static void print_headers(const char *maxdelay)
{
	printf("\ncache headers, maxdelay %s, with outages and limits\n", maxdelay);
	printf("%-28s %7s %19s %7s %19s\n", "", "certi-", "requests if max-age", "",
	       "304 if there");
	printf("%-28s %7s %9s %9s %7s %9s %9s\n", "answers are fresh", "ficates", "ignored",
	       "honoured", "ratio", "are ETags", "share");
	print_header("(they do not say)", WEEK_HEADER_NONE);
	print_header("for an hour", WEEK_HEADER_HOUR);
	print_header("until the next is signed", WEEK_HEADER_NEXT);
	print_header("until nextUpdate", WEEK_HEADER_END);
}

static void write_rate(const char *dir, const char *name)
{
	char path[4096];
	FILE *f;
	size_t i;

	snprintf(path, sizeof(path), "%s/week-%s.txt", dir, name);
	f = fopen(path, "w");
	if (!f) {
		printf("%s cannot be written\n", path);
		missed = 1;
		return;
	}
	for (i = 0; i < WEEK_BINS; i++)
		fprintf(f, "%.4f %u\n", (double)i * WEEK_BIN_S / WEEK_DAY, report.bins[i]);
	fclose(f);
}

static void goal(bool met, const char *what)
{
	if (met)
		return;
	printf("MISSED: %s\n", what);
	missed = 1;
}

/* The goals of an administrator who leaves the times to the schedule. */
static void judge_auto(void)
{
	size_t at;

	goal(ratio(&report.all) <= RATIO_MOST, "at most 1.2 times the least number of requests");
	goal(week_peak(report.bins, &at) <= PEAK_MOST, "a peak of at most 1.3 times the mean");
}

static struct week_conf conf_of(size_t certs, int64_t maxdelay_s, bool troubled)
{
	return (struct week_conf){
		.certs = certs,
		.when = { .mindelay_s = 300, .maxdelay_s = maxdelay_s },
		.maxconn = 64,
		.host_maxconn = 16,
		.troubled = troubled,
		.reloads = true,
		.seed = 1,
	};
}

static void week(const char *dir, const char *name, size_t certs, int64_t maxdelay_s,
		 bool troubled)
{
	const struct week_conf conf = conf_of(certs, maxdelay_s, troubled);

	week_run(&conf, &report);
	print_table(&conf);
	goal(report.all.needlessly == 0,
	     "nothing expires whose responder was up for an hour of its last day");
	if (maxdelay_s == OCU_WHEN_AUTO)
		judge_auto();
	write_rate(dir, name);
	fflush(stdout);
}

static void headers(const char *maxdelay, size_t certs, int64_t maxdelay_s)
{
	struct week_conf conf = conf_of(certs, maxdelay_s, true);

	week_run(&conf, &honoured);
	conf.unheard = true;
	week_run(&conf, &unheard);
	print_headers(maxdelay);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	size_t certs = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;

	if (certs == 0) {
		printf("usage: week CERTS DIRECTORY\n");
		return 2;
	}
	printf("$ %s %s %s\n", argv[0], argv[1], argv[2]);
	week(argv[2], "auto", certs, OCU_WHEN_AUTO, true);
	week(argv[2], "calm", certs, OCU_WHEN_AUTO, false);
	/* fifteen times as many requests: a tenth shows as much */
	week(argv[2], "default", certs / 10, 3600, true);
	headers("auto", certs / 10, OCU_WHEN_AUTO);
	headers("3600", certs / 10, 3600);
	return missed;
}
