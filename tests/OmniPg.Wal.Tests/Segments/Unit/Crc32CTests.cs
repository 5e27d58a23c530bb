using System.Text;

namespace OmniPg.Wal.Tests.Segments;

public sealed class Crc32CTests
{
    [Fact]
    public void The_check_value_of_the_standard_is_met()
    {
        Crc32C.Finish(Crc32C.Append(Crc32C.Start, Encoding.ASCII.GetBytes("123456789"))).Should().Be(0xE3069283);
    }

    [Fact]
    public void Any_length_gives_what_its_bytes_give_one_by_one()
    {
        var bytes = new byte[10_000];
        new Random(1).NextBytes(bytes);
        List<int> wrong = [];
        var byteByByte = Crc32C.Start;

        for (var length = 0; length <= bytes.Length; length++)
        {
            var whole = bytes.AsSpan(0, length);
            if (Crc32C.Append(Crc32C.Start, whole) != byteByByte || Crc32C.Append(Crc32C.Append(Crc32C.Start, whole[..(length / 3)]), whole[(length / 3)..]) != byteByByte)
                wrong.Add(length);
            if (length < bytes.Length)
                byteByByte = OneMore(byteByByte, bytes[length]);
        }

        wrong.Should().BeEmpty();
    }

    // Bit by bit with the reflected polynomial, as pg_crc32c_sb8.c defines it.
    private static uint OneMore(uint crc, byte next)
    {
        crc ^= next;
        for (var bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78 : crc >> 1;
        return crc;
    }
}
