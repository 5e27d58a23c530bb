using System.IO.Compression;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Incremental backups that could not be whole: refused with the reason, and nothing of them is left.</summary>
public sealed class IncrementRefusalTests(IncrementScenes scenes) : IClassFixture<IncrementScenes>
{
    private const string Code = "wal.backup.increment";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_that_makes_no_summaries_is_told_what_to_set()
    {
        var (scene, store, full) = await FullAsync();
        await IncrementScenes.SetAsync(scene, "off");

        var failure = await RefusedAsync(scene, store, full.Id);
        await IncrementScenes.SetAsync(scene, "on");

        (failure.Code, failure.BackupId).Should().Be((Code, full.Id));
        failure.Message.Should().Contain("the server makes no WAL summaries").And.Contain("Set 'summarize_wal = on'");
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => b.Id).Should().Equal(full.Id);
    }

    [Fact]
    public async Task Summaries_that_are_gone_are_never_taken_for_nothing_changed()
    {
        var (scene, store, full) = await FullAsync();
        await scene.Server.ExecuteAsync("UPDATE kept SET filler = filler WHERE id = 1", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.Server.ExecuteAsync("CHECKPOINT", Token);
        var gone = $"start_lsn >= '{full.StartLsn}'";
        await Eventually.TrueAsync(() => scene.Server.ScalarAsync<bool>($"SELECT count(*) > 1 FROM pg_available_wal_summaries() WHERE {gone}", Token), "the WAL is summarized", TimeSpan.FromSeconds(60), Token);
        var end = await scene.Server.ScalarAsync<string>($"SELECT min(end_lsn)::text FROM pg_available_wal_summaries() WHERE {gone}", Token);
        // Timeline, start and end as hexadecimal digits (walsummary.c).
        var name = await scene.Server.ScalarAsync<string>($"SELECT '00000001' || lpad(to_hex(('{full.StartLsn}'::pg_lsn - '0/0')::bigint), 16, '0') || lpad(to_hex(('{end}'::pg_lsn - '0/0')::bigint), 16, '0')", Token);
        var file = Path.Combine(scene.Server.DataDirectory, "pg_wal", "summaries", name!.ToUpperInvariant() + ".summary");
        File.Exists(file).Should().BeTrue(file);
        File.Delete(file);

        var failure = await RefusedAsync(scene, store, full.Id);

        failure.Code.Should().Be(Code);
        failure.Message.Should().Contain($"the server has no WAL summary from '{full.StartLsn}' to '{end}'").And.Contain("Make a full backup");
        Leftovers(store, full).Should().BeEmpty();
    }

    [Fact]
    public async Task Behind_WAL_that_the_archiver_has_given_up_the_next_backup_is_a_full_one()
    {
        var (scene, store, full) = await FullAsync();
        await SmallObject.WriteAsync(scene.ArchiveStore, DroppedWal.KeyOf(full.WalTo), "{}"u8.ToArray(), Token);

        var failure = await RefusedAsync(scene, store, full.Id);
        Directory.Delete(Path.Combine(scene.Archive, "dropped"), recursive: true);

        failure.Code.Should().Be(Code);
        failure.Message.Should().Contain($"the archiver has given up WAL file '{full.WalTo}' since it began").And.Contain("Make a full backup");
    }

    [Fact]
    public async Task A_backup_that_vanishes_while_another_is_made_on_it_leaves_none_that_stands_on_nothing()
    {
        var (scene, store, full) = await FullAsync();
        var removing = new Removing(Path.Combine(store.Root, full.Id, "backup.json"));

        var failure = (await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Id }).Awaiting(b => b.RunAsync(removing, Token)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Code.Should().Be(Code);
        failure.Message.Should().Contain("was removed or damaged while the backup was made");
        Leftovers(store, full).Should().BeEmpty();
    }

    [Fact]
    public async Task A_manifest_that_was_changed_is_not_believed_and_one_that_is_not_there_is_told()
    {
        var (scene, store, full) = await FullAsync();
        await using (var other = new GZipStream(File.Create(Path.Combine(store.Root, full.Manifest!.Key)), CompressionLevel.Fastest))
            await other.WriteAsync("{ \"Files\": [] }"u8.ToArray(), Token);
        var changed = await RefusedAsync(scene, store, full.Id);
        await File.WriteAllBytesAsync(Path.Combine(store.Root, full.Id, "backup.json"), (full with { Manifest = null }).ToJson(), Token);
        var absent = await RefusedAsync(scene, store, full.Id);

        changed.Code.Should().Be("wal.backup.damaged");
        changed.Message.Should().Contain($"'{full.Manifest.Key}' has the SHA-256");
        absent.Code.Should().Be(Code);
        absent.Message.Should().Contain("was made without an object for its manifest");
    }

    [Fact]
    public async Task A_backup_of_another_timeline_or_behind_the_start_is_refused()
    {
        var (scene, store, full) = await FullAsync();
        await RewriteAsync(full with { Timeline = 2 });
        var timeline = await RefusedAsync(scene, store, full.Id);
        await RewriteAsync(full with { StopLsn = new NpgsqlTypes.NpgsqlLogSequenceNumber(ulong.MaxValue) });
        var behind = await RefusedAsync(scene, store, full.Id);

        timeline.Message.Should().Contain("it is of timeline '2', and the server is on timeline '1'");
        behind.Message.Should().Contain("it is consistent at 'FFFFFFFF/FFFFFFFF', and this backup starts at");
        (timeline.Code, behind.Code).Should().Be((Code, Code));
        Leftovers(store, full).Should().BeEmpty();

        Task RewriteAsync(BackupInfo info) => File.WriteAllBytesAsync(Path.Combine(store.Root, full.Id, "backup.json"), info.ToJson(), Token);
    }

    [Fact]
    public async Task A_backup_that_began_later_by_the_clock_is_no_ground_to_stand_on()
    {
        var (scene, store, full) = await FullAsync();
        var later = BackupInfo.IdAt(full.Started.AddDays(1));
        Directory.Move(Path.Combine(store.Root, full.Id), Path.Combine(store.Root, later));
        BackupPart Moved(BackupPart part) => part with { Key = part.Key.Replace(full.Id, later, StringComparison.Ordinal) };
        await File.WriteAllBytesAsync(Path.Combine(store.Root, later, "backup.json"), (full with { Id = later, Parts = [.. full.Parts.Select(Moved)], Manifest = Moved(full.Manifest!) }).ToJson(), Token);

        var failure = await RefusedAsync(scene, store, later);

        failure.Code.Should().Be(Code);
        failure.Message.Should().Contain("not after it");
    }

    [Fact]
    public async Task The_program_makes_a_chain_lists_it_and_says_why_not()
    {
        var scene = await scenes.GetAsync(17);
        var store = (await scene.NewStoreAsync()).Root;
        ServerAccount.Own(store);
        string[] words = ["backup", "--connection", scene.Server.ConnectionString, "--dst-local", $"zstd={store}", "--archive", scene.Archive];

        var nothing = await scene.Program.RunAsync([.. words, "--incremental", "latest"], null, Token);
        var full = await scene.Program.RunAsync(words, null, Token);
        await scene.NextSecondAsync(await new BackupCatalog(new DirectoryObjectStore(store)).GetAsync(cancellationToken: Token));
        var changes = await scene.Program.RunAsync([.. words, "--incremental", "latest"], null, Token);
        var listed = await scene.Program.RunAsync(["backups", "--source", store, "--json"], null, Token);
        var verified = await scene.Program.RunAsync(["backups", "verify", "latest", "--source", store, "--archive", scene.Archive], null, Token);
        var wrong = await scene.Program.RunAsync([.. words, "--incremental", "yesterday"], null, Token);

        (nothing.ExitCode, full.ExitCode, changes.ExitCode, verified.ExitCode, wrong.ExitCode).Should().Be((10, 0, 0, 0, 64), "{0}{1}{2}{3}", full.Error, changes.Error, verified.Error, wrong.Error);
        nothing.Error.Should().Contain("There is no backup 'latest'");
        var backups = System.Text.Json.JsonDocument.Parse(listed.Output).RootElement.GetProperty("backups").EnumerateArray().ToList();
        backups.Select(b => b.GetProperty("type").GetString()).Should().Equal("full", "incremental");
        backups[1].GetProperty("incrementOf").GetString().Should().Be(backups[0].GetProperty("id").GetString());
        changes.Output.TrimEnd().Should().EndWith($"'omnipg', changes of {backups[0].GetProperty("id").GetString()}");
        wrong.Error.Should().Contain("IncrementOf 'yesterday' must be the id of a backup, or 'latest'");
    }

    private async Task<(BackupScene Scene, DirectoryObjectStore Store, BackupInfo Full)> FullAsync()
    {
        var scene = await scenes.GetAsync(17);
        var store = await scene.NewStoreAsync();
        var full = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.NextSecondAsync(full);
        return (scene, store, full);
    }

    private static async Task<WalBackupException> RefusedAsync(BackupScene scene, IObjectStore store, string on) =>
        (await scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = on }).Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

    private static IEnumerable<string> Leftovers(DirectoryObjectStore store, BackupInfo full) =>
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Where(f => BackupInfo.IsId(Path.GetFileName(Path.GetDirectoryName(f)!)) && !f.Contains(full.Id, StringComparison.Ordinal));

    private sealed class Removing(string path) : IProgress<BackupProgress>
    {
        public void Report(BackupProgress value) => File.Delete(path);
    }
}
