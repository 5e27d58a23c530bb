namespace OmniPg.Wal.Tests.Backup;

/// <summary>Catalogues of daily backups at a time that stands still.</summary>
internal static class DailyBackups
{
    public static readonly DateTimeOffset Today = new(2026, 5, 20, 12, 0, 0, TimeSpan.Zero);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static BackupCatalog Catalog(IObjectStore store) => new(store, timeProvider: new FixedClock());

    public static string Segment(int number) => $"0000000100000000{number:X8}";

    /// <summary>The catalogue of so many daily backups, the last one of this morning; a part of each is one byte.</summary>
    public static async Task<(DirectoryObjectStore Store, string[] Ids)> MakeAsync(BackupScene scene, int count)
    {
        var (_, sample) = await scene.MadeAsync();
        var store = await scene.NewStoreAsync();
        var ids = new List<string>();
        for (var day = 0; day < count; day++)
        {
            var start = Today.AddDays(day - count + 1).AddHours(-6);
            var id = BackupInfo.IdAt(start);
            ids.Add(id);
            WalFileName.TryParse(Segment(day), out var segment).Should().BeTrue();
            var info = sample with
            {
                Id = id,
                Started = start,
                Stopped = start.AddHours(1),
                WalFrom = segment,
                WalTo = segment,
                Tablespaces = [],
                Parts = [new BackupPart($"{id}/base.tar.zst", 0, 1, 1, "")],
            };
            await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(Path.Combine(store.Root, id)).FullName, "base.tar.zst"), "x", Token);
            await File.WriteAllBytesAsync(Path.Combine(store.Root, id, "backup.json"), info.ToJson(), Token);
        }

        return (store, [.. ids]);
    }

    /// <summary>An archive of so many segments, of whose content nobody asks.</summary>
    public static async Task<DirectoryObjectStore> ArchiveAsync(BackupScene scene, int count)
    {
        var archive = await scene.NewStoreAsync();
        for (var number = 0; number < count; number++)
            await File.WriteAllTextAsync(Path.Combine(archive.Root, Segment(number)), "", Token);
        return archive;
    }

    private sealed class FixedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Today;
    }
}
