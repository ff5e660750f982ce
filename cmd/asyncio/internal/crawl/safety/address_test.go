package safety_test

import (
	"errors"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/safety"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOnlyPublicAddressesPass(t *testing.T) {
	for text, public := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.15.0.1": true, "172.32.0.1": true, "192.169.0.1": true, "100.128.0.1": true, "2606:4700::1": true, "2a00::1": true,
		"::ffff:8.8.8.8": true, "64:ff9b::808:808": true, "2002:808:808::1": true,
		"0.0.0.0": false, "0.1.2.3": false, "127.0.0.1": false, "127.255.0.9": false, "10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "192.0.0.8": false, "192.0.2.1": false, "198.18.0.1": false, "224.0.0.1": false,
		"240.0.0.1": false, "255.255.255.255": false, "::": false, "::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12::1": false,
		"ff02::1": false, "fec0::1": false, "2001:db8::1": false, "2001::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a00:1": false, "2002:7f00:1::": false, "2002:a00:1::1": false, "64:ff9b:1::a00:1": false,
	} {
		err := safety.CheckAddr(netip.MustParseAddr(text))
		var refused *safety.AddressError
		if public != (err == nil) || err != nil && !errors.As(err, &refused) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if safety.CheckAddr(netip.Addr{}) == nil {
		t.Error("no address is public")
	}
}
