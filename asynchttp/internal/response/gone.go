package response

import "sync"

// A goneNotice is the channel of [http.CloseNotifier]. It may be asked for on
// any goroutine.
type goneNotice struct {
	mu   sync.Mutex
	ch   chan bool
	gone bool
}

// CloseNotify implements [http.CloseNotifier], for old code: the request's
// context says the same.
func (n *goneNotice) CloseNotify() <-chan bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch == nil {
		n.ch = make(chan bool, 1)
		if n.gone {
			n.ch <- true
		}
	}
	return n.ch
}

// ClientGone tells those who have called CloseNotify, or will.
func (n *goneNotice) ClientGone() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ch != nil && !n.gone {
		n.ch <- true
	}
	n.gone = true
}
