package directive

import (
	"context"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

func silenced(ctx context.Context) error {
	time.Sleep(1) //asyncvet:ignore blocking the loop has nothing else to do
	//asyncvet:ignore blocking nothing else, neither
	time.Sleep(1)
	time.Sleep(1) // want `time.Sleep blocks`
	time.Sleep(1) /* want `time.Sleep blocks` */ //asyncvet:ignore mutex another rule
	return asyncio.Sleep(ctx, 1)
}

// whole is silenced in all of it.
//
//asyncvet:ignore blocking it is a test of what blocks
func whole(ctx context.Context) error {
	time.Sleep(1)
	time.Sleep(1)
	return asyncio.Sleep(ctx, 1)
}

// The callers of a function that is silenced hear nothing of it.
func caller(ctx context.Context) error {
	napping()
	restless() // want `directive.restless . time.Sleep blocks`
	wrap.Meant()
	wrap.Nap() // want `wrap.Nap . time.Sleep blocks`
	return asyncio.Sleep(ctx, 1)
}

func napping() {
	time.Sleep(1) //asyncvet:ignore blocking it is short
}

func restless() {
	napping()
	time.Sleep(1) //asyncvet:ignore channel another rule
	_ = 0
	time.Sleep(1)
}

func wrong() {
	_ = 1 /* want `the directive says no reason: write //asyncvet:ignore blocking REASON` */ //asyncvet:ignore blocking
	_ = 2 /* want `there is no rule blcking; the rules are background, blocking,` */         //asyncvet:ignore blcking a slip
	_ = 3 /* want `the directive names no rule` */                                           //asyncvet:ignore
	_ = 4 /* want `the only directive is //asyncvet:ignore RULE REASON` */                   //asyncvet:ingore blocking a slip
}
