namespace OmniPg.Wal.Cli;

/// <summary>Options of <c>omnipitr-backup-master</c>, <c>-slave</c> and <c>-cleanup</c> that could do nothing here: refused with what is to be done instead, so that none of them is taken for done.</summary>
internal static class OldBackupOptions
{
    private const string OnePlace = "a backup goes to one place, and 'omnipg-wal copy --backup ID' brings it to others";
    private const string BuiltIn = "that is built in";
    private const string Names = "a backup is a folder that its start names, and the entry in it tells what names and meta files told";
    private const string Wal = "with --archive the WAL stays in the archive and is proven to be there, without it the backup brings it along";

    public static Option[] Refused { get; } =
    [
        Option.Refused("--dst-remote", OnePlace, "-dr"), Option.Refused("--dst-direct", OnePlace, "-dd"), Option.Refused("--dst-pipe", OnePlace, "-dp"),
        Option.Refused("--filename-template", Names, "-f"),
        Option.Refused("--skip-xlogs", Wal, "-sx"), Option.Refused("--xlogs", Wal, "-x"), Option.Refused("--source", "name the WAL archive by --archive", "-s"),
        Option.Refused("--call-master", "the standby is asked itself", "-cm"), Option.Refused("--removal-pause-trigger", "what the backup needs is read from the archive before it counts; nothing has to pause"),
        Option.Refused("--parallel-jobs", "everything is fed by one read", "-PJ"), Option.Refused("--temp-dir", "nothing is gathered on the way", "-t"),
        Option.Refused("--gzip-path", "gzip is built in", "-gp"), Option.Refused("--lz4-path", "lz4 is built in", "-ll"),
        Option.Refused("--tar-path", BuiltIn, "-tp"), Option.Refused("--tee-path", BuiltIn, "-ep"), Option.Refused("--psql-path", BuiltIn, "-pp", "-sp"), Option.Refused("--pgcontroldata-path", "pg_control is read directly"),
        Option.Refused("--ssh-path", OnePlace, "-ssh"), Option.Refused("--rsync-path", OnePlace, "-rp"), Option.Refused("--remote-cat-path", OnePlace, "-rcp"), Option.Refused("--shell-path", "no shell is called", "-sh"),
    ];

    public static Option[] RefusedByCleanup { get; } =
    [
        Option.Refused("--filename-template", Names, "-f"),
        Option.Refused("--truncate", "objects are removed whole", "-t"), Option.Refused("--sleep", "objects are removed whole"),
    ];
}
