package sal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
)

// redeliver returns the number of messages that each sink received, and the
// errors.
func (o *office) redeliver(l *Log) string {
	o.Helper()
	taken, errs := l.Redeliver(o.Context())
	return fmt.Sprintf("bot %d, file %d %s", taken["tcpircbot"], taken["file"], text(errs))
}

func TestRedeliver(t *testing.T) {
	o := newOffice(t)
	o.want("nothing", o.redeliver(o.log("h1", 1)), "bot 0, file 0 ")
	o.leave("h1", maxOlder+5)
	o.leave("h2", 5)
	o.sleep(2 * claimTime)
	o.want("taken", o.redeliver(o.log("h1", 1)), "bot 60, file 55 ")
	o.want("bot", o.bot.said(), numbers("m", 1, 60))
	o.want("file", o.written("h1"), numbers("", 1, 55))
	o.want("outbox", o.outbox(), "h2/file/56 h2/file/57 h2/file/58 h2/file/59 h2/file/60")
}

// TestRedeliverToASinkThatFailed: Redeliver tries a failed sink immediately, and
// once.
func TestRedeliverToASinkThatFailed(t *testing.T) {
	o := newOffice(t)
	o.bot.close()
	o.change(o.log("h1", 1), false)
	o.change(o.log("h1", 2), false)
	refused := "tcpircbot " + o.bot.address + ": connection refused"
	o.want("taken", o.redeliver(o.log("h1", 3)), "bot 0, file 0 "+refused)
	o.bot = newChannel(t, o.bot.address)
	o.sleep(2 * claimTime) // until the claim of the second message ends
	o.want("taken", o.redeliver(o.log("h1", 3)), "bot 2, file 0 ")
	o.want("bot", o.bot.said(), "m1 m2")
}

// TestFailedIsGivenBack: a process releases a message that it could not deliver.
func TestFailedIsGivenBack(t *testing.T) {
	o := newOffice(t)
	o.bot.close()
	o.change(o.log("h1", 1), false)
	o.bot = newChannel(t, o.bot.address)
	ctx, cancel := context.WithTimeout(t.Context(), claimTime/5)
	defer cancel()
	if taken, errs := o.log("h2", 2).Redeliver(ctx); taken["tcpircbot"] != 1 || errs != nil {
		t.Errorf("%v, %v", taken, errs)
	}
}

// TestRedeliverSendsLateInOneLine: late messages are sent as one line, before
// newer ones.
func TestRedeliverSendsLateInOneLine(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 3)
	o.sleep(2 * lateTime)
	o.leave("h1", 1)
	o.sleep(2 * claimTime)
	o.want("taken", o.redeliver(o.log("h1", 1)), "bot 4, file 4 ")
	said := o.bot.said()
	if !strings.Contains(said, " are announced late: m1; m2; m3 (see the journal) m4") {
		t.Errorf("%q", said)
	}
}

// TestRedeliverWaitsForOthers: a message claimed by another process is either
// delivered by it, or sent after the claim ends.
func TestRedeliverWaitsForOthers(t *testing.T) {
	t.Parallel() // it waits
	o := newOffice(t)
	busy := o.log("h2", 1)
	own := o.commit(busy, false)
	o.leave("h1", 1)
	var wait sync.WaitGroup
	wait.Go(func() {
		time.Sleep(100 * time.Millisecond)
		if errs := busy.Deliver(t.Context(), own, nil); errs != nil {
			t.Error(errs)
		}
		o.sleep(claimTime)
	})
	o.want("taken", o.redeliver(o.log("h1", 1)), "bot 1, file 1 ")
	wait.Wait()
	o.want("bot", o.bot.said(), "m1 m2")
	o.want("outbox", o.outbox(), "")
}

func TestRedeliverEnds(t *testing.T) {
	o := newOffice(t)
	o.leave("h1", 1)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, errs := o.log("h2", 1).Redeliver(ctx); !errors.Is(errors.Join(errs...), context.DeadlineExceeded) {
		t.Error(errs)
	}
	o.want("bot", o.bot.said(), "")
}

// TestRedeliverToASlowWebhook: Redeliver gives a webhook more time than a change
// does.
func TestRedeliverToASlowWebhook(t *testing.T) {
	t.Parallel() // it waits
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(sendTime + sendTime/5) }))
	defer server.Close()
	o := newOffice(t)
	l := o.log("h1", 1)
	l.Sinks = []Sink{Webhook{URL: server.URL}}
	got := o.change(l, false)
	if !strings.HasPrefix(got, "not delivered: webhook") || !strings.Contains(got, ": no answer ") || !strings.HasSuffix(got, "; the change is made and in the journal as 1") {
		t.Errorf("complaint %q", got)
	}
	o.want("outbox", o.outbox(), "webhook/1")
	taken, errs := l.Redeliver(t.Context())
	if errs != nil || taken["webhook"] != 1 {
		t.Errorf("%v, %v", taken, errs)
	}
	o.want("outbox", o.outbox(), "")
}

// keepDelivering runs KeepDelivering until the returned function is called, which
// returns what was reported.
func keepDelivering(t *testing.T, l *Log) func() string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	var reports []string
	wait.Go(func() { l.KeepDelivering(ctx, func(err error) { reports = append(reports, err.Error()) }) })
	return func() string {
		cancel()
		wait.Wait()
		return strings.Join(reports, " ")
	}
}

// soon waits until a condition holds.
func soon(t *testing.T, what func() bool) {
	t.Helper()
	for range 400 {
		if what() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("it did not happen")
}

// TestKeepDelivering: messages are sent after their claim ends, and not while
// another process holds them.
func TestKeepDelivering(t *testing.T) {
	t.Parallel() // it waits
	o := newOffice(t)
	o.leave("h1", 1)
	end := keepDelivering(t, o.log("h1", 1))
	time.Sleep(50 * time.Millisecond)
	o.want("bot", o.bot.said(), "")
	o.sleep(claimTime)
	o.leave("h1", 1) // the write wakes it; its timer does not follow the test clock
	soon(t, func() bool { return o.outbox() == "h1/file/2 tcpircbot/2" })
	o.want("bot", o.bot.said(), "m1")
	o.want("file", o.written("h1"), "1")
	o.want("reports", end(), "")
}

// TestKeepDeliveringLeavesFailedSinksAlone: a failed sink is not used for a
// minute.
func TestKeepDeliveringLeavesFailedSinksAlone(t *testing.T) {
	o := newOffice(t)
	o.bot.close()
	o.leave("h1", 2)
	o.sleep(2 * claimTime)
	l := o.log("h1", 1)
	for n := range 3 {
		_, next, err := l.deliverOnce(t.Context())
		if wrong := n == 0; (err != nil) != wrong {
			t.Errorf("%d: %v", n, err)
		}
		if n > 0 && next.Sub(o.now()) < restTime/2 {
			t.Errorf("again in %v", next.Sub(o.now()))
		}
	}
	o.want("file", o.written("h1"), "1 2")
	o.bot = newChannel(t, o.bot.address)
	o.sleep(restTime)
	if _, _, err := l.deliverOnce(t.Context()); err != nil {
		t.Error(err)
	}
	o.want("bot", o.bot.said(), "m1 m2")
}

// TestKeepDeliveringForSilentHosts: after 7 days without a change, another host
// delivers a host's messages.
func TestKeepDeliveringForSilentHosts(t *testing.T) {
	o := newOffice(t)
	o.leave("h2", 1)
	o.leave("h3", 1)
	o.sleep(silentTime - time.Hour)
	o.leave("h3", 1)
	o.sleep(2 * time.Hour)
	l := o.log("h1", 1)
	if _, _, err := l.deliverOnce(t.Context()); err != nil {
		t.Error(err)
	}
	o.want("file", o.written("h1"), "1")
	o.want("outbox", o.outbox(), "h3/file/2 h3/file/3")
	o.want("by hand", o.redeliver(l), "bot 0, file 0 ")
}

// TestKeepDeliveringSurvivesTheStore: it reports an outage of the store once, and
// continues afterwards.
func TestKeepDeliveringSurvivesTheStore(t *testing.T) {
	t.Parallel() // it waits
	o := newOffice(t)
	o.leave("h1", 1)
	o.sleep(2 * claimTime)
	l := o.log("h1", 1)
	away := &outage{Store: o.store}
	away.set(true)
	l.Store = away
	end := keepDelivering(t, l)
	soon(t, func() bool { return away.asked() > 1 })
	away.set(false)
	soon(t, func() bool { return o.outbox() == "" })
	o.want("bot", o.bot.said(), "m1")
	o.want("reports", end(), "store unavailable: nowhere: away")
}

// outage is a store that can be made unavailable.
type outage struct {
	store.Store
	mu    sync.Mutex
	away  bool
	times int
}

func (a *outage) set(away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away = away
}

func (a *outage) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.times
}

func (a *outage) Read(ctx context.Context, prefixes ...string) (store.Snapshot, error) {
	a.mu.Lock()
	away := a.away
	a.times++
	a.mu.Unlock()
	if away {
		return store.Snapshot{}, &store.UnavailableError{Tried: []store.Endpoint{{Address: "nowhere", Err: errors.New("away")}}}
	}
	return a.Store.Read(ctx, prefixes...)
}

func TestWaiting(t *testing.T) {
	o := newOffice(t)
	begun := o.now()
	o.leave("h2", 2)
	o.sleep(lateTime)
	o.bot.close()
	if got := o.change(o.log("h1", 1), false); !strings.Contains(got, "refused") {
		t.Error(got)
	}
	waiting, _, err := o.log("h1", 1).Waiting(t.Context())
	if err != nil || len(waiting) != 2 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	file, bot := waiting[0], waiting[1]
	if file.Sink != "file" || file.Host != "h2" || file.Count != 2 || !file.Failed.IsZero() || file.Error != "" {
		t.Errorf("%+v", file)
	}
	if bot.Sink != "tcpircbot" || bot.Host != "" || bot.Count != 3 || bot.Since.Sub(begun).Abs() > time.Minute ||
		o.now().Sub(bot.Failed) > time.Minute || bot.Error != "tcpircbot "+o.bot.address+": connection refused" {
		t.Errorf("%+v", bot)
	}
}
