package etcd

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/conftool/confctl/pkg/store"
)

// need is a permission that a request needs.
type need struct {
	span
	write bool
}

// denied returns the error of a request that the user may not make. The server does
// not report which permission is missing, but every user may read their own.
func (s *Store) denied(ctx context.Context, c *call, u *session, err error) error {
	e := &store.DeniedError{User: s.user, Err: causef(err, "%s", reason(err))}
	switch {
	case errors.Is(err, rpctypes.ErrAuthFailed):
		e.Err = causef(err, "wrong user or password")
	case errors.Is(err, rpctypes.ErrUserEmpty):
		e.Err = causef(err, "the store wants a user")
	default:
		e.Grant = missing(c.needs, s.permissions(ctx, u))
	}
	return e
}

// permissions returns the user's permissions, or nil if they are not available.
func (s *Store) permissions(ctx context.Context, u *session) []*authpb.Permission {
	if s.user == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Attempt)
	defer cancel()
	user, err := u.UserGet(ctx, s.user)
	if err != nil {
		return nil
	}
	var all []*authpb.Permission
	for _, name := range user.Roles {
		role, err := u.RoleGet(ctx, name)
		if err != nil {
			return nil
		}
		all = append(all, role.Perm...)
	}
	return all
}

// missing names the first need to read and the first need to write that no permission
// covers, such as "read /conftool/v1/pools/ and write /conftool/.confctl/journal/".
func missing(needs []need, has []*authpb.Permission) string {
	var phrases []string
	for _, verb := range []string{"read ", "write "} {
		i := slices.IndexFunc(needs, func(n need) bool {
			return n.write == (verb == "write ") && !slices.ContainsFunc(has, n.coveredBy)
		})
		if i >= 0 {
			key := needs[i].key
			phrases = append(phrases, verb+cmp.Or(key[:strings.LastIndexByte(key, '/')+1], key))
		}
	}
	return strings.Join(phrases, " and ")
}

// coveredBy reports whether one permission covers a need.
func (n need) coveredBy(p *authpb.Permission) bool {
	if p.PermType != authpb.Permission_READWRITE && (p.PermType == authpb.Permission_WRITE) != n.write {
		return false
	}
	has := span{string(p.Key), string(p.RangeEnd)}
	open := has.end == "\x00" // to the end of all keys
	return has.key <= n.key && (open || n.upto() <= has.upto())
}
