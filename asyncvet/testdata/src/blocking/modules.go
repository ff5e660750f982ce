package blocking

import (
	"context"
	"sync"
	"time"

	"checked/wrap"

	"example.com/other"
	"github.com/asyncio-go/asyncio"
)

// Of another module it is believed that it sleeps and runs programs.

func throughAnotherModule(ctx context.Context, wg *sync.WaitGroup) error {
	other.Nap()     // want `other.Nap → time.Sleep blocks`
	other.Program() // want `other.Program → exec.Cmd.Run blocks`
	other.Dial()
	other.Wait(wg)
	other.Each(nil, func(string) {
		time.Sleep(1) // want `time.Sleep blocks`
	})
	wrap.Meant()
	return asyncio.Sleep(ctx, 0)
}
