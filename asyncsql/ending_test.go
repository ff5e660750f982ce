package asyncsql

import (
	"context"
	"testing"
)

type key struct{}

func TestAnEndingHasTheValuesOfTheCall(t *testing.T) {
	outer, end := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
	var c calling
	ctx, cancel := c.passing(outer, new(endingContext))
	child, stop := context.WithCancel(ctx)
	defer stop()
	end()
	if child.Err() != nil || ctx.Value(key{}) != "value" || child.Value(key{}) != "value" {
		t.Errorf("it has ended with the outer one: %v; values %v, %v", child.Err(), ctx.Value(key{}), child.Value(key{}))
	}
	cancel()
	if child.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
		t.Errorf("after its end: %v, %v", child.Err(), context.Cause(ctx))
	}
}

func TestAnEndingThatHasEndedIsNotUsedAgain(t *testing.T) {
	for range 1000 {
		var c, cut, early calling
		ctx, _ := c.passing(context.Background(), new(endingContext))
		c.passed()
		c.cutShort() // which comes too late
		if ctx.Err() != nil {
			t.Fatal("a call that was over has ended the context of the next")
		}
		ctx, _ = cut.passing(context.Background(), new(endingContext))
		if ctx.Err() != nil {
			t.Fatal("the context has ended before the call")
		}
		cut.cutShort()
		cut.passed()
		if ctx.Err() == nil {
			t.Fatal("a call was cut off, and its context has not ended")
		}
		early.cutShort()
		if ctx, _ = early.passing(context.Background(), new(endingContext)); ctx.Err() == nil {
			t.Fatal("a call was cut off before it began, and its context has not ended")
		}
		early.passed()
	}
}

func TestAnEndingThatIsHandedOnHasOneOwner(t *testing.T) {
	for range 1000 {
		var c, again calling
		var tx, next cutter
		ctx, _ := c.passing(context.Background(), new(endingContext))
		c.handTo(&tx)
		c.cutShort()
		c.passed()
		if ctx.Err() != nil {
			t.Fatal("the call has ended what is not its own any more")
		}
		tx.cutShort()
		if ctx.Err() == nil {
			t.Fatal("its owner cannot end it")
		}
		var cut calling
		_, _ = cut.passing(context.Background(), new(endingContext))
		cut.cutShort()
		cut.handTo(&next)
		next.passed()
		if ctx, _ = again.passing(context.Background(), new(endingContext)); ctx.Err() != nil {
			t.Fatal("an ending that was cut before it was handed on is used again")
		}
		var late calling
		ctx, _ = late.passing(context.Background(), new(endingContext))
		late.handTo(&tx) // which was cut short
		if ctx.Err() == nil {
			t.Fatal("it was handed to who is cut short, and has not ended")
		}
	}
}
