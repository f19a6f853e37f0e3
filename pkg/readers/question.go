package readers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// The system's resolver is not used: it also looks into /etc/hosts, asks other
// servers, and does not report TTLs or whether an answer is authoritative.

// tries is how often a question is sent over UDP, which may lose it.
const tries = 3

// address is one that a name server answers with.
type address struct {
	netip.Addr
	ttl           int64
	authoritative bool // the answer is not from a cache, where the TTL runs down
}

// errNoName reports a name that does not exist, unlike one without addresses.
var errNoName = errors.New("the name server answers that there is no such name (NXDOMAIN): is the name right?")

// lookup asks the reader's server for the addresses of its name, which may have
// none. A name that does not exist is an error.
func (a asker) lookup(ctx context.Context, r Reader) ([]address, error) {
	var all []address
	var missing error
	for _, family := range r.families() {
		found, err := a.question(ctx, r, family)
		switch {
		case errors.Is(err, errNoName): // some servers say so of one family only
			missing = err
		case err != nil:
			return nil, err
		}
		all = append(all, found...)
	}
	if len(all) > 0 {
		missing = nil
	}
	return all, missing
}

// families returns the types of addresses that the networks of the places have.
func (r Reader) families() []uint16 {
	var four, six bool
	for _, networks := range r.answers {
		for _, n := range networks {
			four, six = four || n.Addr().Is4(), six || n.Addr().Is6()
		}
	}
	switch {
	case !six:
		return []uint16{dns.TypeA}
	case !four:
		return []uint16{dns.TypeAAAA}
	}
	return []uint16{dns.TypeA, dns.TypeAAAA}
}

// question asks the reader's server for the addresses of one family. An answer
// that is too long for UDP is asked for again over TCP.
func (a asker) question(ctx context.Context, r Reader, family uint16) ([]address, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(r.Target), family)
	how := "name server " + r.server
	reply, err := a.exchange(ctx, "udp", r.server, q)
	if err == nil && reply.Truncated {
		how += " over TCP, since its answer is too long for UDP"
		reply, err = a.exchange(ctx, "tcp", r.server, q)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", how, a.explain(ctx, err, ""))
	}
	return addresses(q, reply)
}

// exchange sends a question until there is a reply to it.
func (a asker) exchange(ctx context.Context, network, server string, q *dns.Msg) (*dns.Msg, error) {
	conn, err := (&dns.Client{Net: network}).DialContext(ctx, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // nothing is left in it
	conn.UDPSize = dns.MaxMsgSize
	wait := a.timeout
	if network == "udp" {
		wait /= tries
	}
	for {
		until := time.Now().Add(wait)
		if end, limited := ctx.Deadline(); limited && end.Before(until) {
			until = end
		}
		if err := conn.SetDeadline(until); err != nil {
			return nil, err
		}
		if err := conn.WriteMsg(q); err != nil {
			return nil, err
		}
		reply, err := awaitReply(conn, q)
		if failed := net.Error(nil); network != "udp" || ctx.Err() != nil || !errors.As(err, &failed) || !failed.Timeout() {
			return reply, err
		}
	}
}

// awaitReply reads until there is a reply to the question. Other packets are
// ignored: anybody can send them.
func awaitReply(conn *dns.Conn, q *dns.Msg) (*dns.Msg, error) {
	for {
		reply, err := conn.ReadMsg()
		if errors.As(err, new(net.Error)) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		if err == nil && isReply(q, reply) {
			return reply, nil
		}
	}
}

func isReply(q, reply *dns.Msg) bool {
	if reply.Id != q.Id || !reply.Response || len(reply.Question) != 1 {
		return false
	}
	asked, got := q.Question[0], reply.Question[0]
	return got.Qtype == asked.Qtype && got.Qclass == asked.Qclass && strings.EqualFold(got.Name, asked.Name)
}

// addresses returns those in a reply, of the name or of what it is an alias of.
func addresses(q, reply *dns.Msg) ([]address, error) {
	asked := q.Question[0]
	switch reply.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		return nil, errNoName
	default:
		code := cmp.Or(dns.RcodeToString[reply.Rcode], fmt.Sprintf("with code %d", reply.Rcode))
		return nil, fmt.Errorf("the name server answers %s to the question for %s", code, dns.TypeToString[asked.Qtype])
	}
	name := asked.Name
	var found []address
	for _, record := range reply.Answer { // each alias before the name it leads to
		if !strings.EqualFold(record.Header().Name, name) {
			continue
		}
		one := address{ttl: int64(record.Header().Ttl), authoritative: reply.Authoritative}
		switch record := record.(type) {
		case *dns.CNAME:
			name = record.Target
		case *dns.A:
			one.Addr, _ = netip.AddrFromSlice(record.A)
		case *dns.AAAA:
			one.Addr, _ = netip.AddrFromSlice(record.AAAA)
		}
		if one.IsValid() {
			one.Addr = one.Unmap()
			found = append(found, one)
		}
	}
	return found, nil
}
