package asyncsql

import (
	"fmt"
	"testing"
)

// A keeping keeps a lane, and notes that it was aborted.
type keeping struct {
	name    string
	aborted *[]string
}

func (k *keeping) abort(bool) { *k.aborted = append(*k.aborted, k.name) }

func TestWhatWasBegunLaterIsAborted(t *testing.T) {
	var aborted []string
	l := newLanes(1).lane()
	conn, tx, rows := &keeping{"conn", &aborted}, &keeping{"tx", &aborted}, &keeping{"rows", &aborted}
	for _, k := range []keeper{conn, tx, rows} {
		l.keep(k)
	}
	for _, test := range []struct {
		after keeper
		want  string
	}{
		{conn, "[rows tx]"}, {tx, "[rows]"}, {rows, "[]"}, {nil, "[rows tx conn]"},
		// It has ended, and its context ends: what keeps the lane now is not its own.
		{&keeping{"committed", &aborted}, "[]"},
	} {
		aborted = nil
		l.abortAfter(test.after, true)
		if got := fmt.Sprint(aborted); got != test.want {
			t.Errorf("after %v: %s, want %s", test.after, got, test.want)
		}
	}
}
