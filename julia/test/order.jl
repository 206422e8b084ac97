module OrderTests

using DiagramBridge: order_words, philox, sample_order
using Test

@testset "Philox4x64-10: the known answers that come with Random123" begin
    most = typemax(UInt64)
    @test philox((0x0, 0x0, 0x0, 0x0) .% UInt64, (0x0, 0x0) .% UInt64) ==
          (0x16554d9eca36314c, 0xdb20fe9d672d0fdc, 0xd7e772cee186176b, 0x7e68b68aec7ba23b)
    @test philox((most, most, most, most), (most, most)) ==
          (0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0)
    @test philox(
        (0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89),
        (0x452821e638d01377, 0xbe5466cf34e90c6c),
    ) == (0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6)
end

@testset "the order that Python has" begin
    # bridge.train.order.order(2**64 - 1, 3, "größe", 8), which draws with NumPy
    @test sample_order(big(2)^64 - 1, 3, "größe", 8) .- 1 == [2, 0, 4, 5, 6, 7, 1, 3]
    @test sample_order(-1, 3, "größe", 8) == sample_order(big(2)^64 - 1, 3, "größe", 8)
    @test sort(sample_order(0, 0, "x", 100)) == 1:100
    @test sample_order(0, 0, "x", 0) == []
    @test order_words(0, 0, "x", 9)[1:5] == order_words(0, 0, "x", 5)
    @test length(unique([sample_order(s, e, n, 50) for s in 0:1, e in 0:1, n in ("x", "y")])) == 8
end

end
