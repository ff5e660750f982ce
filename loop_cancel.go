package asyncio

// cancelWith is Cancel.
func (t *task) cancelWith(cause error) bool {
	if !t.requestCancel(cause) {
		return false
	}
	(*taskContext)(t).own().cancel(&CancelledError{Cause: cause})
	return true
}

// requestCancel cancels the task without ending its context: scopes, which
// take the request back, end their own.
func (t *task) requestCancel(cause error) bool {
	if t.state != pending {
		return false
	}
	if t.asking { // round a cycle of awaits, back to where it began
		return t.interruptWith(&CancelledError{Cause: cause})
	}
	t.withRare().cancels++
	t.deliverCancel(cause)
	return true
}

// deliverCancel ends the wait at which the task stands, or else its next one.
func (t *task) deliverCancel(cause error) {
	if t.asleep() {
		t.interruptWith(&CancelledError{Cause: cause})
		return
	}
	if t.waiter != nil {
		t.asking = true
		asked := t.waiter.cancel(cause)
		t.asking = false
		if asked {
			// waiter stays: it may be a task that ignores this, and can be asked again
			return
		}
	}
	t.mustCancel = true
	t.setCancelCause(cause)
}

func (t *task) uncancel() int {
	n := t.cancelling()
	if n == 0 {
		return 0
	}
	if t.rare.cancels--; n == 1 {
		t.mustCancel = t.insistent
		(*taskContext)(t).own().renew()
	}
	return t.rare.cancels
}

// A levelScope is what the kernel knows of a [CancelScope]. While one that is
// cancelled encloses what a task does, each wait of the task fails, not the next
// one only; a scope that shields keeps away what the scopes outside of it say.
type levelScope struct {
	outer             *levelScope
	cancelled, shield bool
	tell              func() // of a group: its tasks are to hear of a cancellation; else nil
}

// enterScope makes s the innermost scope of t.
func (t *task) enterScope(s *levelScope) {
	r := t.withRare()
	s.outer = r.scope
	r.scope = s
	t.insist()
}

// leaveScope takes the innermost scope of t away.
func (t *task) leaveScope() {
	t.rare.scope = t.rare.scope.outer
	t.insist()
}

// insist brings t.insistent up to date with the scopes of t, and reports whether
// it has become true.
func (t *task) insist() (begins bool) {
	before := t.insistent
	t.insistent = t.inCancelledScope()
	if t.insistent != before {
		t.mustCancel = t.insistent
	}
	return t.insistent && !before
}

func (t *task) inCancelledScope() bool { return t.isCancelledIn(t.rare.scope) }

// isCancelledIn reports whether what t does in its scope s is cancelled.
func (t *task) isCancelledIn(s *levelScope) bool {
	for ; s != nil; s = s.outer {
		if s.cancelled {
			return true
		}
		if s.shield {
			return false
		}
	}
	return t.rare.condemned
}

// condemn makes each wait of t fail from now on that no scope of its own shields. It
// is for a task of a group in a cancel scope that has been cancelled.
func (t *task) condemn() {
	if t.state != pending || t.withRare().condemned {
		return
	}
	t.rare.condemned = true
	t.rare.cancels++
	(*taskContext)(t).own().cancel(&CancelledError{})
	t.heedScopes()
}

// heedScopes ends the wait of t, and tells the groups in it, when its scopes have
// changed so that they cancel it.
func (t *task) heedScopes() {
	if t.insist() {
		t.deliverCancel(nil)
	}
	for s := t.rare.scope; s != nil; s = s.outer {
		if s.tell != nil && t.isCancelledIn(s) {
			s.tell()
		}
	}
}

// inScopes reports whether a cancel scope, of t or of a task above it, may cancel
// what t does.
func (t *task) inScopes() bool { return t.rare != nil && (t.rare.scope != nil || t.rare.scoped) }

// cancelledDirectly returns how often t was asked to end by others than cancel scopes.
func (t *task) cancelledDirectly() int {
	n := t.cancelling()
	if t.rare == nil {
		return n
	}
	if t.rare.condemned {
		n--
	}
	for s := t.rare.scope; s != nil; s = s.outer {
		if s.cancelled {
			n--
		}
	}
	return n
}

// patient makes the waits of t possible until the function that it returns is
// called, although a cancel scope is cancelled: for code that must wait for
// something to end, and was told already.
func (t *task) patient() (end func()) {
	if !t.insistent {
		return func() {}
	}
	t.enterScope(&levelScope{shield: true})
	return t.leaveScope
}
