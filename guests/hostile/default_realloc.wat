(func (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
  (call $alloc (local.get $align) (local.get $size)))
