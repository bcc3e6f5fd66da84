(func $first (unreachable))
(start $first)
