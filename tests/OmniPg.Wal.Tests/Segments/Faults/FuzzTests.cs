using System.Buffers.Binary;

namespace OmniPg.Wal.Tests.Segments;

/// <summary>Nothing that stands in a file makes the validator or the reader throw anything but its own error.</summary>
public sealed class FuzzTests(WalWorkloads workloads)
{
    [Fact]
    public void Random_bytes_are_refused_with_the_own_error_at_every_level_and_under_every_name()
    {
        var random = new Random(1);
        string[] names = ["000000010000000000000001", "000000010000000000000001.partial", "00000002.history", "000000010000000000000001.00000028.backup"];
        for (var round = 0; round < 2000; round++)
        {
            var bytes = new byte[random.Next(0, 20000)];
            random.NextBytes(bytes);
            foreach (var name in names)
                Validate.Fault(WalFileName.Parse(name), bytes, WalExpectations.Any).Should().NotBeNull();
        }
    }

    [Fact]
    public async Task Overwritten_pieces_are_refused_with_the_own_error_or_end_an_unfinished_segment()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var index = await workload.FindBusiestAsync();
        var expectations = workload.Expectations with { Previous = workload.StateBefore(index) };
        var segment = workload.Segments[index];
        var content = workload.Read(segment);
        var start = segment.StartLsn(workload.SegmentSize);
        var end = (int)((ulong)Validate.Full(segment, content, expectations).EndOfValid - (ulong)start);
        var random = new Random(2);
        for (var round = 0; round < 400; round++)
        {
            var damaged = content.With(b => Damage(b.AsSpan(random.Next(40, end - 200), random.Next(1, 200)), random));

            var strict = Validate.Fault(segment, damaged, expectations);
            var lenient = Validate.Full(segment, damaged, expectations with { AllowShort = true });

            strict.Should().NotBeNull();
            lenient.End.Should().Be(WalSegmentEnd.Early);
            lenient.EndReason.Should().Be(strict!.Reason);
            ((ulong)lenient.EndOfValid <= (ulong)strict.Lsn!.Value + 7 || lenient.EndOfValid == start).Should().BeTrue();
            strict.Offset.Should().BeInRange(0, end);
            lenient.Next.Should().BeNull();
        }
    }

    /// <summary>Records with right checksums and nonsense inside reach the decoders.</summary>
    [Fact]
    public async Task Records_with_nonsense_and_a_right_checksum_are_read_without_a_crash()
    {
        var workload = await workloads.SmallSegmentsAsync();
        var segment = workload.Segments[await workload.FindBusiestAsync()];
        var content = workload.Read(segment);
        var records = await ReadAsync(segment, content, workload.Expectations);
        var targets = records.Where(r => r.Rmgr <= 1 && r.Detail is not null && IsOnOnePage(r)).ToList();
        targets.Should().HaveCountGreaterThan(3);
        var random = new Random(3);
        for (var round = 0; round < 300; round++)
        {
            var target = targets[random.Next(targets.Count)];
            var damaged = content.With(b => Scramble(b.AsSpan((int)((ulong)target.Lsn & 0xFFFFF), target.TotalLength), random));

            var read = await ReadAsync(segment, damaged, workload.Expectations);

            read.Should().HaveCount(records.Count);
        }
    }

    private static void Damage(Span<byte> piece, Random random)
    {
        foreach (ref var value in piece)
            value ^= (byte)random.Next(1, 256);
    }

    private static bool IsOnOnePage(WalRecord record) => ((ulong)record.Lsn / 8192) == (((ulong)record.Lsn + (uint)record.TotalLength - 1) / 8192);

    private static void Scramble(Span<byte> record, Random random)
    {
        var body = record[24..];
        random.NextBytes(body[random.Next(body.Length)..]);
        if (random.Next(2) == 0)
            body[0] = (byte)random.Next(250, 256);
        record[16] = (byte)(record[17] == 1 ? random.Next(256) : record[16]);
        BinaryPrimitives.WriteUInt32LittleEndian(record[20..], Crc(record));
    }

    private static uint Crc(ReadOnlySpan<byte> record)
    {
        var crc = uint.MaxValue;
        foreach (var value in record[24..])
            crc = System.Numerics.BitOperations.Crc32C(crc, value);
        foreach (var value in record[..20])
            crc = System.Numerics.BitOperations.Crc32C(crc, value);
        return ~crc;
    }

    private static async Task<List<WalRecord>> ReadAsync(WalFileName name, byte[] content, WalExpectations expectations) =>
        await WalSegmentReader.ReadAsync(
                new MemoryStream(content), new WalReadOptions { Name = name, Expectations = expectations }, TestContext.Current.CancellationToken)
            .ToListAsync(TestContext.Current.CancellationToken);
}
