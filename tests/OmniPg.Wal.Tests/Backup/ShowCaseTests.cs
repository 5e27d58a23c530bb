using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>What show tells of an archive with everything in it that makes it hard.</summary>
[Collection(nameof(BackupCollection))]
public sealed class ShowCaseTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Three_timelines_of_which_one_has_no_segment_a_gap_three_restore_points_and_two_backups_are_all_told()
    {
        var store = await scene.NewStoreAsync();
        var first = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await PointAsync(scene.Server, "case one");
        var (beforeGap, _) = await CommitAsync(scene.Server);
        var (_, missing) = await CommitAsync(scene.Server);
        await CommitAsync(scene.Server);
        await scene.ArchivedAsync();
        var archive = await scene.PlainArchiveAsync();
        await new WalRepository(archive).CleanupAsync(first.WalFrom, cancellationToken: Token);

        var folder = scene.Fresh("promoted");
        var options = scene.RestoreOptions();
        options.RestoreCommand = $"cp '{archive.Root}/%f' '%p'";
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        // It archives nothing; what it writes is taken from its pg_wal in the end.
        await File.AppendAllTextAsync(Path.Combine(folder, "postgresql.conf"), "\nwal_keep_size = 256MB\n", Token);
        await using var server = await scene.StartAsync(folder);
        // Promoted once more before timeline 2 has ended a segment.
        await server.StopAsync(cancellationToken: Token);
        var signal = Path.Combine(folder, "recovery.signal");
        await File.WriteAllTextAsync(signal, "", Token);
        ServerAccount.Own(signal);
        await server.StartAgainAsync(null, Token);
        await Eventually.TrueAsync(() => server.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()", Token), "the recovery ends", TimeSpan.FromSeconds(60), Token);
        await PointAsync(server, "case two");
        var second = (await new BaseBackup(server.DataSource, store).RunAsync(cancellationToken: Token)).Backup;
        await PointAsync(server, "case three");
        var (last, end) = await CommitAsync(server);
        var wal = Path.Combine(folder, "pg_wal");
        foreach (var name in Directory.GetFiles(wal).Select(f => Path.GetFileName(f)!).Where(n => n.EndsWith(".history", StringComparison.Ordinal) || (n.StartsWith("00000003", StringComparison.Ordinal) && string.CompareOrdinal(n, end) <= 0 && n.Length == 24)))
            File.Copy(Path.Combine(wal, name), Path.Combine(archive.Root, name), overwrite: true);
        File.Delete(Path.Combine(archive.Root, missing));

        var shown = await WalProgram.RunAsync("show", "--archive", archive.Root, "--source", store.Root, "--json");
        var text = await WalProgram.RunAsync("show", "--archive", archive.Root, "--source", store.Root, "--no-restore-points");

        shown.ExitCode.Should().Be(0, shown.Error);
        var report = JsonDocument.Parse(shown.Output).RootElement;
        JsonElement[] List(string name) => [.. report.GetProperty(name).EnumerateArray()];
        List("timelines").Select(t => (t.GetProperty("timeline").GetInt32(), HasSegments: t.GetProperty("segments").GetInt64() > 0, First: t.GetProperty("first").GetString() is not null))
            .Should().Equal((1, true, true), (2, false, false), (3, true, true));
        List("gaps").Select(g => (g.GetProperty("timeline").GetInt32(), g.GetProperty("from").GetString(), g.GetProperty("to").GetString())).Should().Equal((1, missing, missing));
        List("restorePoints").Select(p => (p.GetProperty("name").GetString(), p.GetProperty("timeline").GetInt32())).Should().Equal(("case one", 1), ("case two", 3), ("case three", 3));
        List("backups").Select(b => (b.GetProperty("id").GetString(), b.GetProperty("timeline").GetInt32(), b.GetProperty("valid").GetBoolean(), b.GetProperty("includesWal").GetBoolean()))
            .Should().Equal((first.Id, 1, true, false), (second.Id, 3, true, true));
        var window = report.GetProperty("window");
        (window.GetProperty("timeline").GetInt32(), window.GetProperty("latestCommit").GetDateTimeOffset()).Should().Be((3, last));
        // Behind the gap nothing is reached from the first backup, on whatever timeline.
        List("recoverable").Select(r => (r.GetProperty("backup").GetString(), r.GetProperty("timeline").GetInt32(), r.GetProperty("from").GetDateTimeOffset(), r.GetProperty("to").GetDateTimeOffset()))
            .Should().Equal((first.Id, 1, first.Stopped, beforeGap), (first.Id, 2, first.Stopped, beforeGap), (first.Id, 3, first.Stopped, beforeGap), (second.Id, 3, second.Stopped, last));
        text.Output.Split('\n').Should().Contain(l => l.StartsWith("timeline 2: no segments, from timeline 1 at ", StringComparison.Ordinal));
    }

    private static async Task PointAsync(PgCluster server, string name) => await server.ExecuteAsync($"SELECT pg_create_restore_point('{name}')", Token);

    /// <summary>Commits a transaction and ends its segment.</summary>
    /// <returns>When it was committed, as the WAL has it, and the segment.</returns>
    private static async Task<(DateTimeOffset Time, string Segment)> CommitAsync(PgCluster server)
    {
        var segment = await server.ScalarAsync<string>("SELECT pg_walfile_name(pg_current_wal_insert_lsn())", Token);
        var xid = await server.ScalarAsync<string>("WITH u AS (UPDATE kept SET filler = filler WHERE id = 1 RETURNING 1) SELECT pg_current_xact_id()::text FROM u", Token);
        await server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        var options = new WalReadOptions { Name = WalFileName.Parse(segment) };
        await using var file = File.OpenRead(Path.Combine(server.DataDirectory, "pg_wal", segment));
        await foreach (var record in WalSegmentReader.ReadAsync(file, options, Token))
        {
            if (record.Detail is WalTransactionEnd end && $"{end.TransactionId}" == xid)
                return (end.Time, segment);
        }

        throw new InvalidOperationException($"'{segment}' holds no end of transaction {xid}.");
    }
}
