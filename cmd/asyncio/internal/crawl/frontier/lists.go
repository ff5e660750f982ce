package frontier

// ring is the hosts that are ready, in the order in which they became so.
type ring struct {
	hosts []*Host
	head  int
}

func (r *ring) add(h *Host) {
	if r.head > 0 && len(r.hosts) == cap(r.hosts) {
		n := copy(r.hosts, r.hosts[r.head:])
		clear(r.hosts[n:])
		r.hosts, r.head = r.hosts[:n], 0
	}
	r.hosts = append(r.hosts, h)
}

func (r *ring) take() *Host {
	if r.head == len(r.hosts) {
		return nil
	}
	h := r.hosts[r.head]
	r.hosts[r.head] = nil
	r.head++
	return h
}

// byTime is a heap of hosts that wait for a time.
type byTime []*Host

func (b byTime) Len() int           { return len(b) }
func (b byTime) Less(i, k int) bool { return b[i].next < b[k].next }

func (b byTime) Swap(i, k int) {
	b[i], b[k] = b[k], b[i]
	b[i].index, b[k].index = i, k
}

func (b *byTime) Push(h any) {
	h.(*Host).index = len(*b)
	*b = append(*b, h.(*Host))
}

func (b *byTime) Pop() any {
	old := *b
	h := old[len(old)-1]
	old[len(old)-1] = nil
	*b = old[:len(old)-1]
	return h
}
