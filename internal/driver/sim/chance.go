package sim

import (
	"net/netip"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

var (
	_ driver.Chooser      = (*Driver)(nil)
	_ driver.NameResolver = (*Driver)(nil)
	_ driver.WallClock    = (*Driver)(nil)
)

// Choose implements [driver.Chooser]. What is large is chosen in steps: pauses that
// are too fine would never be equal.
func (d *Driver) Choose(n int64) int64 {
	if n <= 256 {
		return int64(d.net.world.Pick(int(n)))
	}
	return n / 256 * int64(d.net.world.Pick(256))
}

// WallBegin is when worlds begin, since 1970: the year 2000, as bubbles of
// testing/synctest do.
const WallBegin = 946684800 * time.Second

// WallTime implements [driver.WallClock].
func (d *Driver) WallTime() time.Time {
	return time.Unix(0, 0).Add(WallBegin + d.net.now + d.skew).UTC()
}

// LookupAddr implements [driver.NameResolver].
func (d *Driver) LookupAddr(ip netip.Addr) ([]string, time.Duration) {
	delay := time.Duration(d.net.world.Pick(4)) * time.Millisecond
	if ip.IsLoopback() {
		return []string{"localhost"}, delay
	}
	if m := d.net.byAddr[ip]; m != nil {
		return []string{m.Name}, delay
	}
	return nil, delay
}
