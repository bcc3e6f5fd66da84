;; A second memory of 2 GiB, beside the one of the prelude.
(memory $large 32768)
