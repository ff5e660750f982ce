package asyncio

// unseenErrors remembers failures until somebody has looked at them, or the
// loop closes and they are reported. It is bounded: when it is full, the
// oldest half is reported at once.
type unseenErrors struct {
	loop    *Loop
	futures []*future
}

const maxUnseen = 512

func (u *unseenErrors) add(f *future) {
	if len(u.futures) == maxUnseen {
		u.compact()
	}
	u.futures = append(u.futures, f)
}

// compact drops what was looked at, and when that is little, reports the oldest.
func (u *unseenErrors) compact() {
	kept := u.futures[:0]
	for _, f := range u.futures {
		if !f.retrieved {
			kept = append(kept, f)
		}
	}
	clear(u.futures[len(kept):])
	u.futures = kept
	if half := maxUnseen / 2; len(kept) > half {
		old := append([]*future(nil), kept[:half]...)
		u.futures = append(kept[:0], kept[half:]...)
		clear(kept[len(u.futures):])
		u.tell(old)
	}
}

// report tells of all that is left.
func (u *unseenErrors) report() {
	all := u.futures
	u.futures = nil
	u.tell(all)
}

func (u *unseenErrors) tell(futures []*future) {
	for _, f := range futures {
		if f.retrieved {
			continue
		}
		f.retrieved = true
		made := ""
		if u.loop.probe != nil {
			made = u.loop.probe.madeAt(f)
		}
		c := ExceptionContext{Message: "the error of a future was never retrieved", Err: f.err, Made: made}
		if t := f.asTask(); t != nil {
			c.Message, c.Task = "the error of a task was never retrieved", t.any()
		}
		u.loop.handleException(c)
	}
}
