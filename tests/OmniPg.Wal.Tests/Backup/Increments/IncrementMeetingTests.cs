using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Incremental backups whose ground is being removed while they are made: they wait until that is decided, and no longer than a removal takes.</summary>
public sealed class IncrementMeetingTests(IncrementScenes scenes) : IClassFixture<IncrementScenes>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_increment_stands_on_a_backup_whose_removal_is_taken_back()
    {
        var (scene, store, full) = await FullAsync();
        var removal = new Removal(store, full);
        var meeting = removal.Meet(look: 3, removal.TakeBack);

        var made = (await scene.BackupTo(meeting, options: new BaseBackupOptions { IncrementOf = full.Id }).RunAsync(cancellationToken: Token)).Backup;

        made.IncrementOf.Should().Be(full.Id);
        removal.Looks.Should().BeGreaterThanOrEqualTo(3, "it waited");
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((full.Id, null), (made.Id, null));
        Directory.GetFiles(store.Root, "removing.*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Fact]
    public async Task An_increment_whose_ground_is_removed_is_refused_by_name_and_leaves_nothing()
    {
        var (scene, store, full) = await FullAsync();
        var removal = new Removal(store, full);
        var meeting = removal.Meet(look: 3, removal.End);

        var failure = await RefusedAsync(scene.BackupTo(meeting, options: new BaseBackupOptions { IncrementOf = full.Id }));

        (failure.Code, failure.BackupId).Should().Be((WalBackupException.IncrementCode, full.Id));
        failure.Message.Should().Contain($"backup '{full.Id}', of which it holds the changes, was removed");
        Directory.GetFiles(store.Root, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Should().Equal(WalArchiveMarker.Key);
    }

    [Fact]
    public async Task An_increment_waits_no_longer_than_half_a_minute_for_a_removal_and_tells_what_it_leaves()
    {
        var (scene, store, full) = await FullAsync();
        var clock = new ShiftedClock();
        var removal = new Removal(store, full);
        // A removal that was killed: by now it is silent, and ends never.
        var meeting = removal.Meet(look: 2, () => clock.Passed = TimeSpan.FromSeconds(30));
        using var logs = new FakeLoggerFactory();

        var failure = await RefusedAsync(new BaseBackup(scene.Server.DataSource, meeting, scene.ArchiveStore, new BaseBackupOptions { IncrementOf = full.Id }, logs, clock));
        var left = Directory.GetFiles(store.Root, "backup.json", SearchOption.AllDirectories).Single();
        File.Delete(Path.Combine(store.Root, full.Id, "removing.json"));
        removal.PutBack();

        (failure.Code, failure.BackupId).Should().Be((WalBackupException.IncrementCode, full.Id));
        removal.Looks.Should().Be(3);
        var id = Path.GetFileName(Path.GetDirectoryName(left))!;
        logs.Lines.Should().ContainSingle(l => l.Level == LogLevel.Warning).Which.Message.Should().Contain($"{id}/backup.json").And.Contain("Underway");
        (await new BackupCatalog(store).ListAsync(Token)).Select(b => (b.Id, b.Problem)).Should().Equal((full.Id, null), (id, null));
    }

    [Fact]
    public async Task A_backup_that_is_being_removed_already_is_no_ground_to_begin_on()
    {
        var (scene, store, full) = await FullAsync();
        File.Move(Path.Combine(store.Root, full.Id, "backup.json"), Path.Combine(store.Root, full.Id, "removing.json"));

        var failure = await RefusedAsync(scene.BackupTo(store, options: new BaseBackupOptions { IncrementOf = full.Id }));

        (failure.Code, failure.BackupId).Should().Be(("wal.backup.underway", full.Id));
        Directory.GetDirectories(store.Root).Select(Path.GetFileName).Where(n => BackupInfo.IsId(n!)).Should().Equal(full.Id);
    }

    private async Task<(BackupScene Scene, DirectoryObjectStore Store, BackupInfo Full)> FullAsync()
    {
        var scene = await scenes.GetAsync(17);
        var store = await scene.NewStoreAsync();
        var full = (await scene.BackupTo(store).RunAsync(cancellationToken: Token)).Backup;
        await scene.NextSecondAsync(full);
        return (scene, store, full);
    }

    private static async Task<WalBackupException> RefusedAsync(BaseBackup backup) =>
        (await backup.Awaiting(b => b.RunAsync(cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

    /// <summary>The removal of a backup on another machine, step by step.</summary>
    private sealed class Removal(DirectoryObjectStore store, BackupInfo backup)
    {
        private readonly string _folder = Path.Combine(store.Root, backup.Id);
        private byte[]? _entry;

        /// <summary>How often the increment has listed the store since its entry was published.</summary>
        public int Looks { get; private set; }

        /// <summary>The store in which it begins right behind the entry of the increment, and goes on behind a look of that.</summary>
        public HookedStore Meet(int look, Action next) => new(store)
        {
            Written = key =>
            {
                if (_entry is null && key.EndsWith("/backup.json", StringComparison.Ordinal))
                {
                    _entry = File.ReadAllBytes(Path.Combine(_folder, "backup.json"));
                    File.Move(Path.Combine(_folder, "backup.json"), Path.Combine(_folder, "removing.json"));
                }

                return Task.CompletedTask;
            },
            Listed = () =>
            {
                if (_entry is not null && ++Looks == look)
                    next();
            },
        };

        public void TakeBack()
        {
            PutBack();
            File.Delete(Path.Combine(_folder, "removing.json"));
        }

        public void PutBack() => File.WriteAllBytes(Path.Combine(_folder, "backup.json"), _entry!);

        public void End() => Directory.Delete(_folder, recursive: true);
    }
}
