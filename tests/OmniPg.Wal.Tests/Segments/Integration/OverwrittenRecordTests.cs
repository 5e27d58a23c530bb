using OmniPg.Shared;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Segments;

/// <summary>A crash in the middle of writing a record that spans segments: the server gives the record up and says so on the next page.</summary>
public sealed class OverwrittenRecordTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_record_given_up_after_a_crash_is_read_over_and_its_replacement_is_checked()
    {
        using var directory = new TemporaryDirectory(Directory.Exists("/dev/shm") ? "/dev/shm" : null, forServer: true);
        await using var cluster = await PgCluster.StartAsync(
            new PgClusterOptions
            {
                InitDbArguments = ["--wal-segsize=1"],
                Settings = new Dictionary<string, string>
                {
                    ["archive_mode"] = "on",
                    ["archive_command"] = $"cp %p {directory.Path}/%f",
                    ["fsync"] = "on",
                    ["synchronous_commit"] = "on",
                },
            },
            Cancellation);
        await cluster.ExecuteAsync("SELECT pg_switch_wal()", Cancellation);

        await CrashWithinARecordAsync(cluster);
        await cluster.StartAgainAsync(cancellationToken: Cancellation);
        await cluster.ExecuteAsync("SELECT pg_create_restore_point('survived')", Cancellation);
        await cluster.ExecuteAsync("SELECT pg_switch_wal()", Cancellation);
        await cluster.StopAsync(cancellationToken: Cancellation);

        var segments = Directory.EnumerateFiles(directory.Path).Order(StringComparer.Ordinal).Select(WalSegmentSource.FromFile).ToList();
        var records = await WalSegmentReader.ReadChainAsync(segments, cancellationToken: Cancellation).ToListAsync(Cancellation);
        var overwrite = records.Single(r => r.Detail is WalOverwrittenRecord);
        var before = records[records.IndexOf(overwrite) - 1];
        var givenUp = ((WalOverwrittenRecord)overwrite.Detail!).Lsn;
        (givenUp >= before.End && givenUp < overwrite.Lsn).Should().BeTrue();
        overwrite.Previous.Should().Be(before.Lsn);
        records.Should().Contain(r => r.Detail is WalRestorePoint && ((WalRestorePoint)r.Detail).Name == "survived");
        await AssertLieIsFoundAsync(segments, overwrite, directory);
    }

    // Without a switch the message begins in one segment; the kill comes when the server has begun a later one, long before its end.
    private static async Task CrashWithinARecordAsync(PgCluster cluster)
    {
        var wal = Path.Combine(cluster.DataDirectory, "pg_wal");
        var started = Newest(wal);
        var message = Task.Run(() => cluster.ExecuteAsync("SELECT pg_logical_emit_message(false, 'omnipg', repeat('x', 300000000))", Cancellation), Cancellation);
        await Eventually.TrueAsync(() => Newest(wal) >= started + 12, "the message covers several segments", cancellationToken: Cancellation);
        cluster.KillHard();
        var wait = () => message;
        await wait.Should().ThrowAsync<Npgsql.NpgsqlException>();
    }

    private static ulong Newest(string wal) =>
        Directory.EnumerateFiles(wal).Select(f => WalFileName.TryParse(Path.GetFileName(f.AsSpan()), out var name) ? name.Position : 0).Max();

    /// <summary>The same page with the flag taken away, or the replacement naming another record, is refused.</summary>
    private static async Task AssertLieIsFoundAsync(List<WalSegmentSource> segments, WalRecord overwrite, TemporaryDirectory directory)
    {
        var index = (int)((ulong)overwrite.Lsn >> 20);
        var name = segments.Single(s => s.Name.Position == (ulong)index).Name;
        var content = await File.ReadAllBytesAsync(Path.Combine(directory.Path, name.ToString()), Cancellation);
        var page = (int)((ulong)overwrite.Lsn & 0xFE000);
        WalChainState? before = null;
        foreach (var segment in segments.TakeWhile(s => s.Name != name))
            before = Validate.Full(segment.Name, await File.ReadAllBytesAsync(Path.Combine(directory.Path, segment.Name.ToString()), Cancellation), new WalExpectations { Previous = before }).Next;
        var expectations = new WalExpectations { Previous = before };

        Validate.Fault(name, content, expectations).Should().BeNull();
        var flag = PgMajor.OfMagic(BitConverter.ToUInt16(content, page))!.OverwriteFlag;
        var withoutFlag = Validate.Fault(name, content.With(b => b[page + 2] &= (byte)~flag), expectations)!;
        withoutFlag.Problem.Should().BeOneOf(WalValidationProblem.BadPage, WalValidationProblem.BrokenChain);
        withoutFlag.Reason.Should().StartWith("the page continues a record with '0' bytes but '");
    }
}
