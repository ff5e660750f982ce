package h2

import (
	"testing"

	"pgregory.net/rapid"
)

// A sender and a receiver that keep to the rules never meet a window that is
// wrong, and what was used up is all told in the end.
func TestWindowsOfBothSidesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 1<<20).Draw(t, "size")
		send, recv := sendWindow(size), newRecvWindow(size)
		var flying []int     // DATA on its way
		var updates []uint32 // WINDOW_UPDATEs on their way
		held := 0            // received and not used up
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				if send > 0 {
					n := rapid.IntRange(1, int(send)).Draw(t, "n")
					send.take(n)
					flying = append(flying, n)
				}
			case 1:
				if len(flying) > 0 {
					if !recv.receive(flying[0]) {
						t.Fatal("the receiver takes what was allowed for too much")
					}
					held += flying[0]
					flying = flying[1:]
				}
			case 2:
				if held > 0 {
					n := rapid.IntRange(1, held).Draw(t, "used")
					held -= n
					if u := recv.release(n); u > 0 {
						updates = append(updates, u)
					}
				}
			case 3:
				if len(updates) > 0 {
					if !send.grow(updates[0]) {
						t.Fatal("the window is too large")
					}
					updates = updates[1:]
				}
			}
			total := int64(send) + int64(held) + recv.owed
			for _, n := range flying {
				total += int64(n)
			}
			for _, u := range updates {
				total += int64(u)
			}
			if total != int64(size) {
				t.Fatalf("%d bytes are accounted for, of a window of %d", total, size)
			}
			if recv.owed >= recv.size/4 && recv.size >= 4 {
				t.Fatalf("%d bytes were used up and the peer was not told", recv.owed)
			}
		}
	})
}

func TestAWindowHasALargestSize(t *testing.T) {
	w := sendWindow(maxWindow - 10)
	if !w.grow(10) || w.grow(1) {
		t.Error("grow beyond the largest window")
	}
	w = defaultWindow
	w.take(defaultWindow)
	if !w.shift(-defaultWindow) || w != -defaultWindow || !w.shift(maxWindow) {
		t.Error("a window may be negative, after the initial one was made smaller")
	}
}

// A model of the states of a stream, from RFC 9113, 5.1.
func TestStatesAreThoseOfTheRFC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s state
		sent, got := false, false
		for range rapid.IntRange(0, 5).Draw(t, "n") {
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0:
				s.sentEnd()
				sent = true
			case 1:
				s.gotEnd()
				got = true
			case 2:
				s.reset()
				sent, got = true, true
			}
			if s.canSend() == sent || s.canReceive() == got || (s == closed) != (sent && got) {
				t.Fatalf("state %d after sent %v, got %v", s, sent, got)
			}
		}
	})
}

// Whatever order streams come in, each has its turns, the urgent more of them.
func TestTheSendQueueStarvesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q sendQueue
		n := rapid.IntRange(1, 20).Draw(t, "n")
		all := make([]*sender, n)
		turns := make(map[*sender]int)
		for i := range all {
			all[i] = &sender{urgency: uint8(rapid.IntRange(0, urgencies-1).Draw(t, "urgency"))}
			q.push(all[i])
		}
		if gone := all[rapid.IntRange(0, n-1).Draw(t, "gone")]; n > 1 {
			q.remove(gone)
			turns[gone] = 1
		}
		for range 8 * urgencies * n * fairShare {
			s := q.pop()
			if s == nil || s.queued {
				t.Fatal("popped", s)
			}
			turns[s]++
			q.push(s)
		}
		least, most := urgencies, 0
		for _, s := range all {
			least, most = min(least, int(s.urgency)), max(most, int(s.urgency))
		}
		for _, s := range all {
			if turns[s] == 0 && (int(s.urgency) == least || int(s.urgency) == most) {
				t.Fatalf("a stream of urgency %d had no turn", s.urgency)
			}
		}
	})
}
