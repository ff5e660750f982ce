package cluster

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestJobsAndRepliesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		j := job{
			id: text.Draw(t, "id"), function: text.Draw(t, "function"), key: text.Draw(t, "key"), reply: text.Draw(t, "reply"),
			timeout:  time.Duration(rapid.Int64Range(0, int64(maxWait)).Draw(t, "timeout")),
			attempts: rapid.Uint64().Draw(t, "attempts"), first: time.Duration(rapid.Int64Range(0, int64(maxWait)).Draw(t, "first")),
			most: maxWait, object: rapid.Bool().Draw(t, "object"), arg: rapid.SliceOf(rapid.Byte()).Draw(t, "arg"),
		}
		got, err := decodeJob(j.encode())
		if err != nil || !sameJob(got, j) {
			t.Fatalf("%+v became %+v, %v", j, got, err)
		}
		r := reply{
			kind: replyKind(rapid.IntRange(0, int(replyKinds)-1).Draw(t, "kind")), object: rapid.Bool().Draw(t, "object"),
			buried: rapid.Bool().Draw(t, "buried"), id: text.Draw(t, "id"), attempts: rapid.Uint64().Draw(t, "attempts"),
			message: text.Draw(t, "message"), body: rapid.SliceOf(rapid.Byte()).Draw(t, "body"),
		}
		back, err := decodeReply(r.encode())
		if err != nil || !sameReply(back, r) {
			t.Fatalf("%+v became %+v, %v", r, back, err)
		}
		l := letter{j.encode(), r.encode()}
		lj, lr, err := decodeLetter(l.encode())
		if err != nil || !sameJob(lj, j) || !sameReply(lr, r) {
			t.Fatalf("%+v, %+v, %v", lj, lr, err)
		}
		p := Progress{rapid.Int64().Draw(t, "done"), rapid.Int64().Draw(t, "total"), text.Draw(t, "note")}
		if got, err := decodeProgress(p.encode()); err != nil || got != p {
			t.Fatalf("%+v became %+v, %v", p, got, err)
		}
	})
}

func sameJob(a, b job) bool {
	same := bytes.Equal(a.arg, b.arg)
	a.arg, b.arg = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func sameReply(a, b reply) bool {
	same := bytes.Equal(a.body, b.body)
	a.body, b.body = nil, nil
	return same && reflect.DeepEqual(a, b)
}

func FuzzMessagesOfOthersDoNoHarm(f *testing.F) {
	j := job{id: "c.1", function: "f", arg: []byte("arg")}
	r := reply{kind: replyFailed, id: "c.1", message: "no"}
	f.Add(j.encode())
	f.Add(r.encode())
	l := letter{j.encode(), r.encode()}
	f.Add(l.encode())
	f.Add(tries{1, 2}.encode())
	f.Fuzz(func(t *testing.T, p []byte) {
		if j, err := decodeJob(p); err == nil {
			if again, err := decodeJob(j.encode()); err != nil || !sameJob(again, j) {
				t.Errorf("%+v became %+v, %v", j, again, err)
			}
		}
		if r, err := decodeReply(p); err == nil {
			if again, err := decodeReply(r.encode()); err != nil || !sameReply(again, r) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
		_, _, _ = decodeLetter(p)
		_, _ = decodeTries(p)
		_, _ = decodeProgress(p)
		_, _, _ = delivery(string(p))
	})
}

func TestADeliverysSubjectIsReadInAllItsForms(t *testing.T) {
	for _, subject := range []string{
		"$JS.ACK.s.c.3.17.20.1700000000000000000.5",
		"$JS.ACK._.account.s.c.3.17.20.1700000000000000000.5",
		"$JS.ACK.domain.account.s.c.3.17.20.1700000000000000000.5.random",
	} {
		if delivered, m, err := delivery(subject); delivered != 3 || m != (messageID{17, 1700000000000000000}) || err != nil {
			t.Errorf("%s: %d, %v, %v", subject, delivered, m, err)
		}
	}
	for _, subject := range []string{"", "$JS.ACK.s.c.3", "$JS.ACK.s.c.x.17.20.1.5"} {
		if _, _, err := delivery(subject); err == nil {
			t.Errorf("%q is one", subject)
		}
	}
}

func TestPausesDoubleUpToTheLongest(t *testing.T) {
	for attempts, want := range map[uint64]time.Duration{1: 10, 2: 20, 3: 40, 4: 50, 1 << 60: 50} {
		if got := backoff(10, 50, attempts); got != want {
			t.Errorf("after %d attempts: %d", attempts, got)
		}
	}
	if got := backoff(0, 0, 7); got != 0 {
		t.Error(got)
	}
}

func TestTheRecentJobsAreRemembered(t *testing.T) {
	var r recent
	for i := range uint64(3000) {
		r.add(messageID{i, 1})
	}
	has := func(seq uint64, time int64) bool { return r.has(messageID{seq, time}) }
	if has(0, 1) || has(3000-1024-1, 1) || !has(3000-1024, 1) || !has(2999, 1) || has(2999, 2) || len(r.known) != 1024 {
		t.Errorf("%d are remembered", len(r.known))
	}
}
