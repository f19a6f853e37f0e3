package sal

import (
	"slices"
	"testing"
	"time"
)

// with returns a process whose sinks are others.
func (l *Log) with(sinks ...Sink) *Log {
	other := *l
	other.Sinks = sinks
	return &other
}

// TestBrokenSinkWaits: what a sink with wrong settings is to be told waits under its
// name, holds up nobody else, and is delivered when its settings are right.
func TestBrokenSinkWaits(t *testing.T) {
	o := newOffice(t)
	l := o.log("h1", 1)
	bot, file := l.Sinks[0], l.Sinks[1]
	broken := l.with(bot, Broken{"file", PerHost})
	const waits = "not delivered: the settings of file are wrong: what it is to be told waits until they are right; the change is made and in the journal as "
	o.want("complaint", o.change(broken, false), waits+"1")
	o.want("complaint of a quiet one", o.change(broken, true), waits+"2")
	o.want("bot", o.bot.said(), "m1")
	o.want("outbox", o.outbox(), "h1/file/1 h1/file/2")
	o.want("redelivered", o.redeliver(broken), "bot 0, file 0 the settings of file are wrong: what it is to be told waits until they are right")
	o.want("mended", o.change(l.with(bot, file), false), "")
	o.want("file", o.written("h1"), "1 2 3")
	o.want("outbox", o.outbox(), "")

	// A bot of which a host has wrong settings is told by another.
	bots := l.with(Broken{"tcpircbot", Channel}, file)
	o.want("complaint", o.change(bots, false), "not announced: the settings of tcpircbot are wrong: what it is to be told waits until they are right; the change is made and in the journal as 4")
	o.want("complaint of a quiet one", o.change(bots, true), "")
	o.want("outbox", o.outbox(), "tcpircbot/4")
	o.want("another host", o.change(o.log("h2", 1), false), "")
	o.want("bot", o.bot.said(), "m3 m4 m6")
}

// TestUnreadSinkWaits: what waits for a sink of which not even the name can be
// read goes to all that were not told, once all settings are right.
func TestUnreadSinkWaits(t *testing.T) {
	for name, deliver := range map[string]func(*office, *Log){
		"by the next change": func(o *office, l *Log) { o.want("complaint", o.change(l, true), "") },
		"by log deliver":     func(o *office, l *Log) { o.redeliver(l) },
		"by a service": func(o *office, l *Log) {
			for range 2 {
				if _, _, err := l.deliverOnce(o.Context()); err != nil {
					o.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			l := o.log("h1", 1)
			bot, file := l.Sinks[0], l.Sinks[1]
			o.change(l.with(NewUnread(), file), false)                        // it was the bot
			o.change(l.with(NewUnread(), Broken{"tcpircbot", Channel}), true) // the file, and the bot is to be spared
			o.change(o.log("h2", 1).with(NewUnread()), false)                 // another host's, with settings of its own
			o.want("outbox", o.outbox(), "h1/sal/1 h1/sal/2 h2/sal/3")        // nobody has taken anything
			o.want("still wrong", o.redeliver(l.with(NewUnread(), bot)), "bot 0, file 0 the settings of a sink are wrong: what it is to be told waits until they are right")
			deliver(o, l.with(bot, file))
			o.want("bot", o.bot.said(), "m1")
			got := o.written("h1")
			if got != "1 2" && got != "1 2 4" { // the change that delivers is told too
				t.Errorf("file: %q", got)
			}
			o.want("outbox", o.outbox(), "h2/sal/3")
		})
	}
}

// TestUnreadOfSilentHost: a service stands in for a host that is not there any more.
func TestUnreadOfSilentHost(t *testing.T) {
	o := newOffice(t)
	o.change(o.log("h2", 1).with(NewUnread()), false)
	o.sleep(silentTime + time.Hour)
	l := o.log("h1", 1)
	for range 2 {
		if _, _, err := l.deliverOnce(t.Context()); err != nil {
			t.Error(err)
		}
	}
	o.want("outbox", o.outbox(), "")
	o.want("file", o.written("h1"), "1")
}

// TestUnreadIsReadByAChange: every change reads what waits for settings to be
// mended, and nothing of sinks that it cannot deliver to.
func TestUnreadIsReadByAChange(t *testing.T) {
	l := newOffice(t).log("h1", 1)
	want := []string{"/c/.confctl/outbox/h1/sal/", "/c/.confctl/outbox/tcpircbot/"}
	if got := l.with(l.Sinks[0], Broken{"file", PerHost}).Prefixes(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
