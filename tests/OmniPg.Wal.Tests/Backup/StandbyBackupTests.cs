using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Backups that are read from a standby.</summary>
[Collection(nameof(BackupCollection))]
public sealed class StandbyBackupTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_backup_of_a_standby_is_restored_and_one_of_a_standby_that_is_promoted_meanwhile_is_none()
    {
        await using var standby = await scene.StandbyAsync();
        var store = await scene.NewStoreAsync();

        // The WAL of the backup ends in a segment that only the primary can end.
        var making = new BaseBackup(standby.DataSource, store, scene.ArchiveStore).RunAsync(cancellationToken: Token);
        await Eventually.TrueAsync(
            async () =>
            {
                await scene.Server.ExecuteAsync("SELECT pg_create_restore_point('standby')", Token);
                await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
                // No faster than the archive takes them: a recovery fetches each again, by a program.
                await scene.ArchivedAsync();
                return making.IsCompleted;
            },
            "the backup ends", TimeSpan.FromSeconds(120), Token);
        var made = (await making).Backup;
        var folder = scene.Fresh("restored");
        var options = scene.RestoreOptions();
        options.TablespaceMap = new Dictionary<string, string> { [made.Tablespaces.Single().Location] = scene.Fresh("space") };
        options.RestoreCommand = $"cp '{(await scene.PlainArchiveAsync()).Root}/%f' '%p'";
        await new BackupRestore(store, options).RunAsync(folder, cancellationToken: Token);
        await using (var restored = await scene.StartAsync(folder))
            (await restored.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);

        await scene.NextSecondAsync(made);
        var promoting = new Promoting(standby);
        var failure = (await new BaseBackup(standby.DataSource, store, scene.ArchiveStore).Awaiting(b => b.RunAsync(promoting, Token)).Should().ThrowAsync<WalBackupException>()).Which;
        var left = await new BackupCatalog(store).ListAsync(Token);

        (made.FromStandby, made.Problem).Should().Be((true, null));
        promoting.Done.Should().BeTrue();
        failure.Code.Should().Be("wal.backup.server");
        failure.Message.Should().Contain("promoted");
        left.Select(b => b.Id).Should().Equal(made.Id);
        Directory.GetDirectories(store.Root).Select(Path.GetFileName).Where(id => id != made.Id && Directory.GetFiles(Path.Combine(store.Root, id!)).Length > 0).Should().BeEmpty();
    }

    private sealed class Promoting(PgCluster standby) : IProgress<BackupProgress>
    {
        public bool Done { get; private set; }

        public void Report(BackupProgress value)
        {
            if (Done || value.Part != "base.tar")
                return;
            Done = standby.ScalarAsync<bool>("SELECT pg_promote(true, 60)", CancellationToken.None).GetAwaiter().GetResult();
        }
    }
}
