package sim

import (
	"fmt"
	"os"
	"syscall"
)

// Signal sends the program of the host a signal: the handler is called that it has by
// [asyncio.Loop.AddSignalHandler]. Without one, [os.Interrupt] and SIGTERM do what they
// do to a program that [asyncio.Main] runs: the functions that were given to [Host.Go]
// and [Host.Serve] are cancelled, that they end by it is no failure, and with the last
// of them the program has ended; a second one ends it at once. Other signals end it at
// once, as [os.Kill] always does, but for those that do nothing by default.
//
// A program that has ended is not a crash of its machine: what it has open is closed, so
// its peers are told, and its disk loses nothing. [Host.Restart] starts it again. On a
// host that is down Signal does nothing.
func (h *Host) Signal(sig os.Signal) {
	if h.loop == nil {
		return
	}
	h.event(signalKind, 0, signalNumber(sig), func() string { return fmt.Sprintf("gets a signal: %v", sig) })
	switch {
	case sig == os.Kill:
		h.exit()
	case h.driver.Signal(sig), ignored(sig):
	case (sig == os.Interrupt || sig == syscall.SIGTERM) && !h.interrupted && len(h.programs) > 0:
		h.interrupted = true
		for _, t := range h.programs {
			t.Cancel()
		}
	default:
		h.exit()
	}
}

// exit ends the program of the host.
func (h *Host) exit() {
	h.event(processKind, 0, 0, func() string { return "the program has ended" })
	h.driver.Exit()
	h.stop()
}

// stop forgets the program of the host.
func (h *Host) stop() {
	h.step.Abandon()
	h.gone = append(h.gone, h.step)
	h.w.mains -= h.mains
	h.loop, h.step, h.mains, h.paused = nil, nil, 0, 0
	h.programs, h.interrupted, h.pools = nil, false, nil
	for _, p := range h.Processes() {
		p.exit(-int(syscall.SIGKILL))
	}
}
