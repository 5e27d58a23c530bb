namespace OmniPg.Wal.Cli;

/// <summary>All verbs. Made one at a time: the program starts once per segment.</summary>
internal static class VerbTable
{
    private static readonly (string Name, Func<Verb> Create)[] Verbs =
    [
        ("archive", () => new ArchiveVerb()),
        ("resident", () => new ResidentVerb()),
        ("restore", () => new RestoreVerb()),
        ("prefetch", () => new PrefetchVerb()),
        ("receive", () => new ReceiveVerb()),
        ("init", () => new InitVerb()),
        ("cleanup", () => new CleanupVerb()),
        ("verify", () => new VerifyVerb()),
        ("show", () => new ShowVerb()),
        ("copy", () => new CopyVerb()),
        ("backup", () => new BackupVerb()),
        ("backups", () => new BackupsVerb()),
        ("backup-cleanup", () => new BackupCleanupVerb()),
        ("backup-restore", () => new BackupRestoreVerb()),
        ("synch", () => new SynchVerb()),
        ("drill", () => new DrillVerb()),
        ("check", () => new CheckVerb()),
        ("monitor", () => new MonitorVerb()),
        ("bench", () => new BenchVerb()),
        ("dump", () => new DumpVerb()),
        ("checksum", () => new ChecksumVerb()),
        ("keygen", () => new KeygenVerb()),
        ("completion", () => new CompletionVerb()),
    ];

    public static Verb? Find(string name)
    {
        foreach (var (known, create) in Verbs)
        {
            if (known == name)
                return create();
        }

        return null;
    }

    public static IEnumerable<Verb> Visible => Verbs.Select(v => v.Create()).Where(v => !v.IsInternal);
}
