package urls

import "strings"

// Bounds beyond which a URL is taken for a trap: a page of a site that makes
// new addresses without end.
const (
	MaxLength     = 2000 // bytes
	MaxSegments   = 40   // of the path
	MaxRepeats    = 3    // of a run of segments, one after another
	MaxParameters = 40   // of the query
)

// Trap returns what makes u look like a trap, or "".
func (u URL) Trap() string {
	if len(u.Host)+len(u.Target) > MaxLength {
		return "length"
	}
	path, query, _ := strings.Cut(u.Target, "?")
	if strings.Count(path, "/") > MaxSegments {
		return "depth"
	}
	if repeats(path) {
		return "repetition"
	}
	if strings.Count(query, "&")+strings.Count(query, ";") >= MaxParameters {
		return "parameters"
	}
	return ""
}

// repeats reports whether some run of segments stands in the path MaxRepeats
// times in a row, as in /a/b/a/b/a/b.
func repeats(path string) bool {
	if strings.Count(path, "/") < MaxRepeats {
		return false
	}
	var buf [MaxSegments + 1]string
	parts := buf[:0]
	for part := range strings.SplitSeq(path[1:], "/") {
		parts = append(parts, part)
	}
	for run := 1; run*MaxRepeats <= len(parts); run++ {
		same := 0
		for i := run; i < len(parts); i++ {
			if parts[i] != parts[i-run] {
				same = 0
			} else if same++; same == run*(MaxRepeats-1) {
				return true
			}
		}
	}
	return false
}

// Calendar returns what the URLs of one calendar have in common: the URL with a
// zero for each number, when it looks as if it had a date in it; else "".
func (u URL) Calendar() string {
	if !strings.ContainsAny(u.Target, "0123456789") || !hasDate(u.Target) {
		return ""
	}
	b := make([]byte, 0, len(u.Host)+len(u.Target))
	b = append(b, u.Host...)
	digits := false
	for _, c := range []byte(u.Target) {
		if isDigit(c) {
			if !digits {
				b = append(b, '0')
			}
			digits = true
			continue
		}
		digits = false
		b = append(b, c)
	}
	return string(b)
}

// hasDate reports whether there is a year with a month after it, or a parameter
// that is named for a date.
func hasDate(s string) bool {
	for _, name := range [...]string{"date=", "year=", "month=", "week=", "day="} {
		if strings.Contains(s, name) {
			return true
		}
	}
	for i := range len(s) {
		if (i == 0 || !isDigit(s[i-1])) && beginsWithMonth(s[i:]) {
			return true
		}
	}
	return false
}

// beginsWithMonth reports whether s begins as 2031/05 or 2031-5 does.
func beginsWithMonth(s string) bool {
	if len(s) < 6 || s[0] != '1' && s[0] != '2' || s[4] != '/' && s[4] != '-' {
		return false
	}
	digits := 0
	for digits < 3 && 5+digits < len(s) && isDigit(s[5+digits]) {
		digits++
	}
	return isDigit(s[1]) && isDigit(s[2]) && isDigit(s[3]) && (digits == 1 || digits == 2)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
