package store_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// TestBackoff checks that pauses double up to the limit, begin anew after Reset, and
// end with the context.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b store.Backoff
		wait := func(limit, want time.Duration) {
			t.Helper()
			begun := time.Now()
			if !b.Wait(t.Context(), limit) {
				t.Fatal("it ends")
			}
			if got := time.Since(begun); got < want/2 || got > want {
				t.Errorf("a pause of %v, want up to %v", got, want)
			}
		}
		for want := 50 * time.Millisecond; want < time.Second; want *= 2 {
			wait(time.Second, want)
		}
		wait(time.Second, time.Second)
		wait(time.Second, time.Second)
		wait(time.Minute, 2*time.Second)
		b.Reset()
		wait(time.Minute, 50*time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if b.Wait(ctx, time.Minute) {
			t.Error("it goes on although the context has ended")
		}
	})
}
