"""Gemma 4 files as listed on publishers' pages and in galleries."""

# Repository, path, bytes.
EXACT = [
    ("ggml-org/gemma-4-31B-it-GGUF", "gemma-4-31B-it-Q8_0.gguf", 32_635_674_400),
    ("ggml-org/gemma-4-31B-it-GGUF", "gemma-4-31B-it-Q4_K_M.gguf", 18_687_061_792),
    ("ggml-org/gemma-4-26B-A4B-it-GGUF", "gemma-4-26B-A4B-it-Q8_0.gguf", 26_859_858_464),
    ("ggml-org/gemma-4-26B-A4B-it-GGUF", "gemma-4-26B-A4B-it-Q4_K_M.gguf", 16_796_015_136),
    ("ggml-org/gemma-4-E4B-it-GGUF", "gemma-4-E4B-it-Q8_0.gguf", 8_031_240_160),
    ("ggml-org/gemma-4-E4B-it-GGUF", "gemma-4-E4B-it-Q4_K_M.gguf", 5_335_289_824),
    ("ggml-org/gemma-4-E2B-it-GGUF", "gemma-4-E2B-it-Q8_0.gguf", 4_967_494_592),
    ("unsloth/gemma-4-26B-A4B-it-GGUF", "gemma-4-26B-A4B-it-UD-Q4_K_M.gguf", 16_947_541_728),
    ("unsloth/gemma-4-12b-it-GGUF", "gemma-4-12b-it-Q4_K_M.gguf", 7_121_861_440),
    ("unsloth/gemma-4-E4B-it-GGUF", "gemma-4-E4B-it-Q4_K_M.gguf", 4_977_171_584),
    ("unsloth/gemma-4-E2B-it-GGUF", "gemma-4-E2B-it-Q4_K_M.gguf", 3_106_738_272),
    ("bartowski/gemma-4-12B-it-GGUF", "gemma-4-12B-it-Q4_K_M.gguf", 7_662_533_088),
    ("google/gemma-4-26B-A4B-it-qat-q4_0-gguf", "gemma-4-26B_q4_0-it.gguf", 14_439_363_584),
    ("google/gemma-4-31B-it-qat-q4_0-gguf", "gemma-4-31B_q4_0-it.gguf", 17_651_001_568),
]

# Repository, path, rounded bytes.
ROUNDED = [
    ("google/gemma-4-12B-it-qat-q4_0-gguf", "gemma-4-12b-it-qat-q4_0.gguf", 6_976_000_000),
    ("google/gemma-4-E2B-it-qat-q4_0-gguf", "gemma-4-E2B_q4_0-it.gguf", 3_350_000_000),
    ("google/gemma-4-E4B-it-qat-q4_0-gguf", "gemma-4-E4B_q4_0-it.gguf", 5_150_000_000),
    ("lmstudio-community/gemma-4-31B-it-GGUF", "gemma-4-31B-it-Q4_K_M.gguf", 18_672_370_319),
    ("unsloth/gemma-4-26B-A4B-it-qat-GGUF", "gemma-4-26B-A4B-it-qat-UD-Q4_K_XL.gguf", 14_200_000_000),
    ("unsloth/gemma-4-26B-A4B-it-GGUF", "gemma-4-26B-A4B-it-MXFP4_MOE.gguf", 16_535_624_090),
    ("unsloth/gemma-4-31B-it-GGUF", "gemma-4-31B-it-UD-IQ2_XXS.gguf", 8_482_560_410),
    ("unsloth/gemma-4-E4B-it-GGUF", "gemma-4-E4B-it-BF16.gguf", 15_032_385_536),
    ("unsloth/gemma-4-E2B-it-GGUF", "gemma-4-E2B-it-UD-Q8_K_XL.gguf", 5_261_334_938),
    ("bartowski/google_gemma-4-31B-it-GGUF", "google_gemma-4-31B-it-Q6_K_L.gguf", 27_058_293_965),
    ("bartowski/google_gemma-4-26B-A4B-it-GGUF", "google_gemma-4-26B-A4B-it-Q3_K_XL.gguf", 13_421_772_800),
]

# Repository, path, sha256.
DIGESTS = [
    (
        "unsloth/gemma-4-26B-A4B-it-qat-GGUF",
        "gemma-4-26B-A4B-it-qat-UD-Q4_K_XL.gguf",
        "a7c5bc715f5ff8e99a3e8901ce7d2b42b402c669bf24f7c5250747633d0f5891",
    ),
    (
        "unsloth/gemma-4-26B-A4B-it-qat-GGUF",
        "mmproj-F32.gguf",
        "ef269e294502d6ee3722cbf129681b2586c2e6ceb79d0507963c92146e058cd4",
    ),
    (
        "google/gemma-4-12B-it-qat-q4_0-gguf",
        "gemma-4-12b-it-qat-q4_0.gguf",
        "93567e57a8fe10b23569b9d9ec38cd005deedf71e29477c421a4b83f418a538b",
    ),
    (
        "google/gemma-4-12B-it-qat-q4_0-gguf",
        "mmproj-gemma-4-12b-it-qat-q4_0.gguf",
        "cb018338a7538a9814d994bfe54644c71eb7ed54e31eae2f721e45fd3c260da7",
    ),
    (
        "google/gemma-4-E2B-it-qat-q4_0-gguf",
        "gemma-4-E2B_q4_0-it.gguf",
        "fa401b55b07ee70a54c6dae3903c783a6e65064312529ea57175cb5f8dec6634",
    ),
    (
        "google/gemma-4-E2B-it-qat-q4_0-gguf",
        "gemma-4-E2B-it-mmproj.gguf",
        "021059cce659fe7f9170d5599761d7bbaf644b798dab9503aca30dc43e6beb14",
    ),
    (
        "google/gemma-4-E4B-it-qat-q4_0-gguf",
        "gemma-4-E4B_q4_0-it.gguf",
        "676c35070db6dbe52f93e9c864ee0fba4eddea94b9c875d9cb10daff453fbaee",
    ),
    (
        "google/gemma-4-E4B-it-qat-q4_0-gguf",
        "gemma-4-E4B-it-mmproj.gguf",
        "7498a37cb619e55f2fcf87eb931f56e99389ed6d432e4c5c66110694c0d65578",
    ),
    (
        "google/gemma-4-26B-A4B-it-qat-q4_0-gguf",
        "gemma-4-26B_q4_0-it.gguf",
        "3eca3b8f6d7baf218a7dd6bba5fb59a56ee25fe2d567b6f5f589b4f697eca51d",
    ),
    (
        "google/gemma-4-26B-A4B-it-qat-q4_0-gguf",
        "gemma-4-26B-it-mmproj.gguf",
        "a359953a076b877db30c31dbbb4c6d93b4a6e017ee5db5784247e4d4c0dd4f3b",
    ),
    (
        "google/gemma-4-31B-it-qat-q4_0-gguf",
        "gemma-4-31B_q4_0-it.gguf",
        "179cfb99212709597eae5929112cfca677e1bbf566178b479ae1da0c4772874b",
    ),
    (
        "google/gemma-4-31B-it-qat-q4_0-gguf",
        "gemma-4-31B-it-mmproj.gguf",
        "6bd60bdb958548b4093196d38744b0f2290c12503a3fddd7486bffa9c5eb07a4",
    ),
    (
        "unsloth/gemma-4-E2B-it-qat-GGUF",
        "gemma-4-E2B-it-qat-UD-Q4_K_XL.gguf",
        "e531007218dfab990486a5de7676a6932d6ea8dea233d1f698d7c21cf8a16889",
    ),
    (
        "unsloth/gemma-4-E2B-it-qat-GGUF",
        "mtp-gemma-4-E2B-it.gguf",
        "586f2460b909008640981ec34060aa864e03c144fbabfb3173c4335087e4aae0",
    ),
    (
        "unsloth/gemma-4-E2B-it-qat-GGUF",
        "mmproj-BF16.gguf",
        "38b33846f56426cd650e0e574d78de125abdfcedf35c0d7f6929f6ffe26efe02",
    ),
    (
        "unsloth/gemma-4-E4B-it-qat-GGUF",
        "gemma-4-E4B-it-qat-UD-Q4_K_XL.gguf",
        "df0fd4ee07072c607c29a0a1cb4f98918426cca12f45a2776bdd6ee6d09a4de3",
    ),
    (
        "unsloth/gemma-4-E4B-it-qat-GGUF",
        "mtp-gemma-4-E4B-it.gguf",
        "423074e537504b4f9ec5eafed5c639fac82c96631626efccacdd3c4039b20605",
    ),
    (
        "unsloth/gemma-4-E4B-it-qat-GGUF",
        "mmproj-BF16.gguf",
        "7c9bafa27f82d658eda805c1d82ef62bb0368e1ff75f64f77de58ad318beaaf9",
    ),
    (
        "unsloth/gemma-4-12B-it-qat-GGUF",
        "gemma-4-12B-it-qat-UD-Q4_K_XL.gguf",
        "90fd44e29e0d7cffeb0fd00dc73cfdab9ed0b0e95306ecf7821ea634c940c370",
    ),
    (
        "unsloth/gemma-4-12B-it-qat-GGUF",
        "mtp-gemma-4-12B-it.gguf",
        "fcb35dea42c71333db904cee11baac525c9ef872818ee3753f6cb156f3c6f4f6",
    ),
    (
        "unsloth/gemma-4-12B-it-qat-GGUF",
        "mmproj-BF16.gguf",
        "dcb8103adad042b1bf99df767aaf34eb37c5a73a4a2f0417e4d7ba557e91664f",
    ),
    (
        "unsloth/gemma-4-31B-it-qat-GGUF",
        "gemma-4-31B-it-qat-UD-Q4_K_XL.gguf",
        "00b5a7c497f0c8934033088c10a7fa9a4c015e46ee6d89e9c6890650ba5d0e71",
    ),
    (
        "unsloth/gemma-4-31B-it-qat-GGUF",
        "mtp-gemma-4-31B-it.gguf",
        "3a5e99fd8d0b23afb1fccd1ee0c9ebd1f571d00399c2dae2292d217feeec0f6b",
    ),
    (
        "unsloth/gemma-4-31B-it-qat-GGUF",
        "mmproj-BF16.gguf",
        "d904b3579a9fbfbd50bc9bf40cb7384909edbd69fa9276db5ddc853e80f0edca",
    ),
    (
        "ggml-org/gemma-4-26B-A4B-it-GGUF",
        "gemma-4-26B-A4B-it-Q4_K_M.gguf",
        "88f4a13b0bb95f031a7fad973e10854122fb67ebc34d214d39a2f65053046abc",
    ),
    (
        "ggml-org/gemma-4-26B-A4B-it-GGUF",
        "mmproj-gemma-4-26B-A4B-it-bf16.gguf",
        "2aa99ffb47033ead4a3f1584fec5283905302c1c16fed59c99e0eec131c6dc53",
    ),
    (
        "ggml-org/gemma-4-E2B-it-GGUF",
        "gemma-4-E2B-it-Q8_0.gguf",
        "996d08777aadc6bfd3c7375ef70ba25a0f55240075860754fdb18d6d860aa63a",
    ),
    (
        "ggml-org/gemma-4-E2B-it-GGUF",
        "mmproj-gemma-4-E2B-it-bf16.gguf",
        "e42083b71a9e31e0f722171d551f6d92b101544001c4dde040306a8f2160fe8c",
    ),
    (
        "ggml-org/gemma-4-E4B-it-GGUF",
        "gemma-4-E4B-it-Q4_K_M.gguf",
        "90ce98129eb3e8cc57e62433d500c97c624b1e3af1fcc85dd3b55ad7e0313e9f",
    ),
    (
        "ggml-org/gemma-4-E4B-it-GGUF",
        "mmproj-gemma-4-E4B-it-bf16.gguf",
        "4c199e460410ba219a8c63930a7121154e1c70cdf66044858f767966332e5a54",
    ),
    (
        "unsloth/gemma-4-31B-it-GGUF",
        "gemma-4-31B-it-Q4_K_M.gguf",
        "38bd64c852c4b460434cc7162fa9bdcf242faf86502581a754cb72956bb17f84",
    ),
    (
        "unsloth/gemma-4-31B-it-GGUF",
        "mmproj-F16.gguf",
        "6edcca228213c28d3567a35d22f849eea52d8360875093851959adf5d2f270eb",
    ),
    (
        "unsloth/gemma-4-26B-A4B-it-GGUF",
        "gemma-4-26B-A4B-it-UD-Q4_K_M.gguf",
        "f2c28b3dc4776931ac6f879e11f203dec637ea0f14267a86ec8f6165f63f293f",
    ),
    (
        "unsloth/gemma-4-26B-A4B-it-GGUF",
        "mmproj-BF16.gguf",
        "41926ed5f1403cf5add23b0684992805ea6f97253096132e769e65646b8cef9d",
    ),
    (
        "unsloth/gemma-4-26B-A4B-it-GGUF",
        "gemma-4-26B-A4B-it-UD-Q5_K_M.gguf",
        "769d386a69d43782321c1bad04d41d29a2e84b2c06e6a277cd99fd6265ec0e80",
    ),
    (
        "unsloth/gemma-4-26B-A4B-it-GGUF",
        "gemma-4-26B-A4B-it-UD-Q6_K.gguf",
        "76bf3eee49cca5b076b34a4b575ecd505dabc470512b46f1207b4f9da08385f0",
    ),
    (
        "unsloth/gemma-4-26B-A4B-it-GGUF",
        "gemma-4-26B-A4B-it-Q8_0.gguf",
        "5f7cbd0f4564e84342fc34321a09acb54b1a3da9215124e5bf444baa6dda152c",
    ),
    (
        "bartowski/gemma-4-12B-it-GGUF",
        "gemma-4-12B-it-Q4_K_M.gguf",
        "3962624dcd25b947d889dc9ae1bf275b61db6cd4dbe694057f34fffef1671509",
    ),
]

# Quantizations by repository, as a gallery lists them.
LISTED = {
    "unsloth/gemma-4-26B-A4B-it-GGUF": "MXFP4_MOE Q8_0 UD-IQ2_M UD-IQ2_XXS UD-IQ3_S UD-IQ3_XXS UD-IQ4_NL UD-IQ4_XS"
    " UD-Q2_K_XL UD-Q3_K_M UD-Q3_K_XL UD-Q4_K_M UD-Q4_K_S UD-Q4_K_XL UD-Q5_K_M UD-Q5_K_S UD-Q5_K_XL UD-Q6_K UD-Q6_K_XL"
    " UD-Q8_K_XL BF16",
    "unsloth/gemma-4-31B-it-GGUF": "IQ4_NL IQ4_XS Q3_K_M Q3_K_S Q4_0 Q4_1 Q4_K_M Q4_K_S Q5_K_M Q5_K_S Q6_K Q8_0"
    " UD-IQ2_M UD-IQ2_XXS UD-IQ3_XXS UD-Q2_K_XL UD-Q3_K_XL UD-Q4_K_XL UD-Q5_K_XL UD-Q6_K_XL UD-Q8_K_XL BF16",
    "unsloth/gemma-4-E4B-it-GGUF": "BF16 IQ4_NL IQ4_XS Q3_K_M Q3_K_S Q4_0 Q4_1 Q4_K_M Q4_K_S Q5_K_M Q5_K_S Q6_K Q8_0"
    " UD-IQ2_M UD-IQ3_XXS UD-Q2_K_XL UD-Q3_K_XL UD-Q4_K_XL UD-Q5_K_XL UD-Q6_K_XL UD-Q8_K_XL",
    "unsloth/gemma-4-E2B-it-GGUF": "BF16 IQ4_NL IQ4_XS Q3_K_M Q3_K_S Q4_0 Q4_1 Q4_K_M Q4_K_S Q5_K_M Q5_K_S Q6_K Q8_0"
    " UD-IQ2_M UD-IQ3_XXS UD-Q2_K_XL UD-Q3_K_XL UD-Q4_K_XL UD-Q5_K_XL UD-Q6_K_XL UD-Q8_K_XL",
    "bartowski/google_gemma-4-31B-it-GGUF": "IQ1_M IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ3_M IQ3_XS IQ3_XXS IQ4_NL IQ4_XS Q2_K"
    " Q2_K_L Q3_K_L Q3_K_M Q3_K_S Q3_K_XL Q4_0 Q4_1 Q4_K_L Q4_K_M Q4_K_S Q5_K_L Q5_K_M Q5_K_S Q6_K Q6_K_L Q8_0",
    "bartowski/google_gemma-4-26B-A4B-it-GGUF": "IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ3_M IQ3_XS IQ3_XXS IQ4_NL IQ4_XS Q2_K"
    " Q2_K_L Q3_K_L Q3_K_M Q3_K_S Q3_K_XL Q4_0 Q4_1 Q4_K_L Q4_K_M Q4_K_S Q5_K_L Q5_K_M Q5_K_S Q6_K Q6_K_L Q8_0",
}
