package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Cron is a trigger as in a crontab. APScheduler: CronTrigger.from_crontab.
type Cron struct{ minute, hour, day, month, weekday field }

// A field is the set of values that fit.
type field uint64

func (f field) has(n int) bool { return f&(1<<n) != 0 }

// all reports whether a field is a star: each value of its range fits.
func (f field) all(low, high int) bool { return f == span(low, high, 1) }

func span(low, high, step int) (f field) {
	for n := low; n <= high; n += step {
		f |= 1 << n
	}
	return f
}

// ParseCron parses five fields: minute, hour, day, month, and day of the week, where 0 and 7
// are Sunday. Each is *, a number, a range, a list of those, and may have a step.
func ParseCron(text string) (c Cron, err error) {
	parts := strings.Fields(text)
	fields := []struct {
		into      *field
		low, high int
	}{{&c.minute, 0, 59}, {&c.hour, 0, 23}, {&c.day, 1, 31}, {&c.month, 1, 12}, {&c.weekday, 0, 7}}
	if len(parts) != len(fields) {
		return c, fmt.Errorf("scheduler: %q has %d fields, not %d", text, len(parts), len(fields))
	}
	for i, f := range fields {
		for item := range strings.SplitSeq(parts[i], ",") {
			set, err := parseItem(item, f.low, f.high)
			if err != nil {
				return c, fmt.Errorf("scheduler: %q: %w", text, err)
			}
			*f.into |= set
		}
	}
	if c.weekday.has(7) {
		c.weekday |= 1
	}
	return c, nil
}

// parseItem parses *, 3, 1-5, */2 or 1-9/2.
func parseItem(item string, low, high int) (field, error) {
	values, stepText, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
			return 0, fmt.Errorf("%q is no step", stepText)
		}
	}
	from, to := low, high
	if values != "*" {
		first, last, isRange := strings.Cut(values, "-")
		var err error
		if from, err = strconv.Atoi(first); err == nil && isRange {
			to, err = strconv.Atoi(last)
		} else if !stepped {
			to = from
		}
		if err != nil || from < low || to > high || from > to {
			return 0, fmt.Errorf("%q is not of %d to %d", item, low, high)
		}
	}
	return span(from, to, step), nil
}

// After returns the first minute after t that fits, if there is one in eight years: the 29th
// of February may be as far away.
func (c Cron) After(t time.Time) (time.Time, bool) {
	limit := t.AddDate(8, 0, 1)
	for t = t.Truncate(time.Minute).Add(time.Minute); t.Before(limit); {
		year, month, day := t.Date()
		switch {
		case !c.month.has(int(month)):
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, t.Location())
		case !c.fitsDay(t):
			t = time.Date(year, month, day+1, 0, 0, 0, 0, t.Location())
		case !c.hour.has(t.Hour()):
			t = t.Add(time.Duration(60-t.Minute()) * time.Minute)
		case !c.minute.has(t.Minute()):
			t = t.Add(time.Minute)
		default:
			return t, true
		}
	}
	return time.Time{}, false
}

// fitsDay reports whether a day fits. As in a crontab, where both the day and the day of the
// week are limited, one of them is enough.
func (c Cron) fitsDay(t time.Time) bool {
	day, weekday := c.day.has(t.Day()), c.weekday.has(int(t.Weekday()))
	if c.day.all(1, 31) || c.weekday.all(0, 7) {
		return day && weekday
	}
	return day || weekday
}
