using OmniPg.Wal.Tests.Cli;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>What is told of removals that are under way, and of backups that were spared.</summary>
[Collection(nameof(BackupCollection))]
public sealed class RemovalListingTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_backup_that_is_being_removed_is_listed_as_that()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var copy = Path.Combine(store.Root, ids[0], "removing.json");
        File.Move(Path.Combine(store.Root, ids[0], "backup.json"), copy);
        File.SetLastWriteTimeUtc(copy, new DateTime(2026, 5, 20, 11, 0, 0, DateTimeKind.Utc));

        var text = await WalProgram.RunAsync("backups", "--source", store.Root);
        var json = await WalProgram.RunAsync("backups", "--source", store.Root, "--json");

        text.Output.Should().Contain($"{ids[0]}: is being removed since 2026-05-20T11:00:00.000000Z, or its removal was killed\n");
        System.Text.Json.JsonDocument.Parse(json.Output).RootElement.GetProperty("removals")[0].GetProperty("id").GetString().Should().Be(ids[0]);
        (await new BackupCatalog(store).ListRemovalsAsync(Token)).Should().Equal(new RemovalUnderway(ids[0], new DateTimeOffset(2026, 5, 20, 11, 0, 0, TimeSpan.Zero)));
    }

    [Fact]
    public async Task A_backup_that_is_marked_when_retention_is_about_to_remove_it_is_spared_with_the_reason()
    {
        var (store, ids) = await DailyBackups.MakeAsync(scene, 2);
        var meeting = new HookedStore(store)
        {
            Removing = key => key == $"{ids[0]}/backup.json" ? File.WriteAllTextAsync(Path.Combine(store.Root, ids[0], "keep"), "", Token) : Task.CompletedTask,
        };

        var done = await DailyBackups.Catalog(meeting).CleanupAsync(new BackupRetention { Count = 1 }, null, Token);

        done.Spared.Select(s => (s.Backup.Id, s.Reason)).Should().Equal((ids[0], "was marked to be kept just now"));
        (done.Removed.Count, done.Kept.Count).Should().Be((0, 2));
    }
}
