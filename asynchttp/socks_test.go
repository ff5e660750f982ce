package asynchttp

import (
	"strings"
	"testing"
)

func TestRequestsToASOCKSProxy(t *testing.T) {
	for target, want := range map[string]string{
		"1.2.3.4:80":         "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x50",
		"[::1]:443":          "\x05\x01\x00\x04" + strings.Repeat("\x00", 15) + "\x01\x01\xbb",
		"[::ffff:1.2.3.4]:1": "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x01",
		"example.org:258":    "\x05\x01\x00\x03\x0bexample.org\x01\x02",
	} {
		if got, err := socksRequest(target); string(got) != want || err != nil {
			t.Errorf("%s: got %q, %v", target, got, err)
		}
	}
	for _, target := range []string{"x", "x:y", "x:65536", strings.Repeat("x", 256) + ":1"} {
		if got, err := socksRequest(target); err == nil {
			t.Errorf("%.10s: got %q", target, got)
		}
	}
}

func TestAnswersOfASOCKSProxy(t *testing.T) {
	for answer, want := range map[string]int{
		"\x05\x00\x00\x01\x01": 5,
		"\x05\x00\x00\x04\x01": 17,
		"\x05\x00\x00\x03\x07": 9,
	} {
		if rest, err := socksAnswer([]byte(answer)); rest != want || err != nil {
			t.Errorf("%q: %d are to come, %v", answer, rest, err)
		}
	}
	for answer, want := range map[string]string{
		"\x04\x00\x00\x01\x01": "malformed",
		"\x05\x00\x01\x01\x01": "malformed",
		"\x05\x00\x00\x02\x01": "malformed",
		"\x05\x05\x00\x01\x01": "connection refused",
		"\x05\x63\x00\x01\x01": "code 99",
	} {
		if _, err := socksAnswer([]byte(answer)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", answer, err)
		}
	}
}
