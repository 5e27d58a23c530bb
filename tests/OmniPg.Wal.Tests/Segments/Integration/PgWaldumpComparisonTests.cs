using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Segments;

public sealed class PgWaldumpComparisonTests(WalWorkloads workloads)
{
    [Fact]
    public async Task Reader_finds_the_same_records_as_pg_waldump_in_more_than_50_segments()
    {
        var workload = await workloads.SmallSegmentsAsync();

        workload.Segments.Count.Should().BeGreaterThanOrEqualTo(50);
        await AssertSameRecordsAsync(workload);
    }

    [Fact]
    public async Task Reader_finds_the_same_records_as_pg_waldump_in_segments_of_64_MiB() =>
        await AssertSameRecordsAsync(await workloads.GetAsync(null, 64, 1));

    internal static async Task AssertSameRecordsAsync(WalWorkload workload)
    {
        var expected = await DumpAsync(workload);
        var actual = await ReadAsync(workload);

        actual.Should().HaveCount(expected.Count);
        actual.Should().Equal(expected);
        TestContext.Current.TestOutputHelper?.WriteLine($"{actual.Count} records in {workload.Segments.Count} segments.");
    }

    private static async Task<List<string>> ReadAsync(WalWorkload workload)
    {
        var lines = new List<string>();
        var options = new WalReadOptions { Expectations = workload.Expectations };
        await foreach (var record in WalSegmentReader.ReadChainAsync(workload.Sources, options, TestContext.Current.CancellationToken))
            lines.Add($"{record.RmgrName} {record.TotalLength} {record.TransactionId} {record.Lsn} {record.Previous} {OperationOf(record)}");
        return lines;
    }

    // rmgr: Heap        len (rec/tot):     54/   226, tx:        735, lsn: 0/0154F6F0, prev 0/0154F6B8, desc: INSERT off 8 …
    private static async Task<List<string>> DumpAsync(WalWorkload workload)
    {
        var program = Path.Combine(workload.BinDirectory, "pg_waldump");
        Assert.SkipUnless(File.Exists(program), "pg_waldump is not installed.");
        var result = await ServerProgram.RunAsync(
            program,
            ["-p", workload.ArchiveDirectory, workload.Segments[0].ToString(), workload.Segments[^1].ToString()],
            cancellationToken: TestContext.Current.CancellationToken);
        result.MustSucceed();
        return result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Normalize).ToList();
    }

    private static string Normalize(string line)
    {
        var rmgr = line[6..line.IndexOf(' ', 6)];
        var total = Between(Between(line, "(rec/tot):", "tx:") + "$", "/", ",");
        var xid = Between(line, "tx: ", ",");
        var operation = Between(line + " ", "desc: ", " ");
        return $"{rmgr} {total} {xid} {Lsn(Between(line, "lsn: ", ","))} {Lsn(Between(line, "prev ", ","))} {operation}";
    }

    private static string OperationOf(WalRecord record)
    {
        var info = WalRecordFormatter.Format(record).Split(' ', StringSplitOptions.RemoveEmptyEntries)[4];
        return info;
    }

    private static string Between(string line, string before, string after)
    {
        var start = line.IndexOf(before, StringComparison.Ordinal) + before.Length;
        return line[start..line.IndexOf(after, start, StringComparison.Ordinal)].Trim();
    }

    private static string Lsn(string text)
    {
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        return string.Create(CultureInfo.InvariantCulture, $"{text[..slash]}/{uint.Parse(text[(slash + 1)..], NumberStyles.HexNumber, CultureInfo.InvariantCulture):X}");
    }
}
