namespace OmniPg.Partman;

/// <summary>Partition sets of one database: made, kept ahead of need, retired. Thread-safe; one instance per database is enough.</summary>
/// <remarks>
/// Works on connections of its own, outside any transaction of the caller. Tables are named with their schema. Needs a role that owns the tables, a direct
/// connection (no pooler that hands out backends by transaction) for everything that changes something, and PostgreSQL 14 or newer.
/// </remarks>
public partial interface IPartman
{
    /// <summary>What <see cref="CreateAsync"/> would run.</summary>
    /// <param name="table">The partitioned table, with its schema.</param>
    /// <param name="options">How it is to be managed.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan; the package's own tables are part of it where they are missing.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">The table cannot be managed so; all reasons.</exception>
    /// <exception cref="PartitionNameCollisionException">A name that a partition needs is taken.</exception>
    Task<SqlPlan> PlanCreateAsync(QualifiedName table, PartitionSetOptions options, CancellationToken cancellationToken = default);

    /// <summary>Makes a set of an empty partitioned table: its configuration, first partitions and default partition. Stands for <c>create_parent</c>.</summary>
    /// <param name="table">The partitioned table, with its schema.</param>
    /// <param name="options">How it is to be managed.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>The set with its partitions.</returns>
    /// <remarks>
    /// One transaction up to 200 partitions, which locks the table against other changes of its partitions and lets readers and writers go on. Of more
    /// partitions, those behind the first 200 follow in transactions of their own; a maintenance finishes them after a crash.
    /// </remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options contradict themselves.</exception>
    /// <exception cref="PartmanException">See <see cref="PlanCreateAsync"/>; rights, locks and the server besides.</exception>
    Task<CreateSetResult> CreateAsync(QualifiedName table, PartitionSetOptions options, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="SubPartitionAsync"/> would run.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="by">How its partitions are to be partitioned.</param>
    /// <param name="allowDataLoss">Whether partitions with rows are made anew as well.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan; empty where everything is so already.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options contradict themselves, or the set.</exception>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">The partitions cannot be partitioned so; all reasons.</exception>
    Task<SqlPlan> PlanSubPartitionsAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss = false, CancellationToken cancellationToken = default);

    /// <summary>
    /// Makes each partition of a set a set of its own, partitioned again, now and with those that come. Stands for <c>create_sub_parent</c>; a new set says so
    /// with <see cref="PartitionSetOptions.SubPartitions"/>.
    /// </summary>
    /// <param name="table">The set, with its schema; a partition that is a set itself as well.</param>
    /// <param name="by">How its partitions are to be partitioned.</param>
    /// <param name="allowDataLoss">Whether partitions with rows are made anew as well, and their rows lost. Default <see langword="false"/>: these are refused, and nothing is changed.</param>
    /// <param name="cancellationToken">Cancels it; run again it goes on.</param>
    /// <returns>The set.</returns>
    /// <remarks>
    /// A table cannot become partitioned, so each partition is dropped and made anew, in one transaction that locks the set exclusively and asks again whether
    /// the partition is empty. Rights that were given on single partitions go with them.
    /// </remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options contradict themselves, or the set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">The partitions cannot be partitioned so; all reasons.</exception>
    /// <exception cref="StalePlanException">Rows came into a partition meanwhile; those before it are done.</exception>
    /// <exception cref="PartmanException">See <see cref="CreateAsync"/>.</exception>
    Task<PartitionSet> SubPartitionAsync(QualifiedName table, PartitionSetOptions by, bool allowDataLoss = false, CancellationToken cancellationToken = default);

    /// <summary>Lets new partitions of a set be plain tables again; those that are partitioned stay so, and stay sets. Stands for <c>stop_sub_partition</c>.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>Whether its partitions were partitioned again until now.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartmanBusyException">The set is being maintained.</exception>
    Task<bool> StopSubPartitioningAsync(QualifiedName table, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="ApplySetsAsync"/> would run.</summary>
    /// <param name="sets">The sets as they are to be, by their tables, with schemas.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan; empty where all sets are so already.</returns>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options of a set contradict themselves.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">A table cannot become the set that is declared, or the set there cannot be changed so; all reasons.</exception>
    Task<SqlPlan> PlanSetsAsync(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets, CancellationToken cancellationToken = default);

    /// <summary>Makes the sets of a database what they are declared to be: missing ones are created, others changed. Run again it changes nothing.</summary>
    /// <param name="sets">The sets as they are to be, by their tables, with schemas. Sets that are not among them are left alone.</param>
    /// <param name="cancellationToken">Cancels it; sets that are done stay so.</param>
    /// <returns>What was done with each, in the order of their names.</returns>
    /// <remarks>
    /// Nothing is changed where one of them cannot be. Column, interval, kind and time zone of a set that exists are fixed. What says how a set begins
    /// (<see cref="PartitionSetOptions.Start"/> and its like, <see cref="PartitionSetOptions.DefaultPartition"/>) counts when it is created.
    /// </remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options of a set contradict themselves.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">A table cannot become the set that is declared, or the set there cannot be changed so; all reasons.</exception>
    /// <exception cref="PartmanBusyException">A set is being maintained.</exception>
    Task<IReadOnlyList<DeclaredSet>> ApplySetsAsync(IReadOnlyDictionary<QualifiedName, PartitionSetOptions> sets, CancellationToken cancellationToken = default);

    /// <summary>The configuration of a set.</summary>
    /// <param name="table">The partitioned table, with its schema.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <returns>The set; <see langword="null"/> when the table is none.</returns>
    /// <exception cref="PartitionSetConfigurationException">Its configuration cannot be worked with.</exception>
    Task<PartitionSet?> FindAsync(QualifiedName table, CancellationToken cancellationToken = default);

    /// <summary>All sets in the order of maintenance; rows that cannot be worked with are left out, <see cref="PlanMaintenanceAsync"/> names them.</summary>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <returns>The sets.</returns>
    /// <exception cref="PartmanStoreException">The extension asked for is not installed, the server is too old, or the tables are newer than this version knows.</exception>
    /// <exception cref="PartmanPrivilegeException">The role lacks a right; its statements give what is missing.</exception>
    /// <exception cref="PartmanServerException">The server refused a statement, or the connection broke.</exception>
    Task<IReadOnlyList<PartitionSet>> ListSetsAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// The partitions of a set by their bounds, the default last, with sizes and what the next maintenance would do with each; those that it would create
    /// stand among them with <see cref="PartitionFate.Create"/>. Stands for <c>show_partitions</c>.
    /// </summary>
    /// <param name="table">The partitioned table, with its schema.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <returns>The partitions.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    Task<IReadOnlyList<Partition>> ListPartitionsAsync(QualifiedName table, CancellationToken cancellationToken = default);

    /// <summary>Which partition takes a value, or will when it is created. Stands for <c>show_partition_name</c>.</summary>
    /// <param name="table">The partitioned table, with its schema.</param>
    /// <param name="value">A moment or an id, as the set is by time or by id.</param>
    /// <param name="cancellationToken">Cancels the question.</param>
    /// <returns>Name and bounds.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="ArgumentException">A moment for a set by id, or an id for one by time.</exception>
    Task<PartitionLocation> LocateAsync(QualifiedName table, PartitionBound value, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="MaintainAsync"/> would run.</summary>
    /// <param name="options">Which sets, and how; <see langword="null"/> for all defaults.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The plan.</returns>
    /// <exception cref="PartitionSetNotFoundException">The one table asked for is no set.</exception>
    Task<MaintenancePlan> PlanMaintenanceAsync(MaintenanceOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Creates partitions ahead of need and retires expired ones. Stands for <c>run_maintenance_proc</c>.</summary>
    /// <param name="options">Which sets, and how; <see langword="null"/> for all defaults.</param>
    /// <param name="progress">Told of each partition that came or went.</param>
    /// <param name="cancellationToken">Cancels it: the partition at work is left as it was, what is done stays.</param>
    /// <returns>Set by set what was done and what went wrong; a set that fails does not concern the others. On a standby nothing, without an error.</returns>
    /// <exception cref="PartitionSetNotFoundException">The one table asked for is no set.</exception>
    /// <exception cref="PartmanBusyException">The extension's own maintenance is at work.</exception>
    Task<MaintenanceResult> MaintainAsync(MaintenanceOptions? options = null, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Runs exactly what a plan says.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="progress">Told of each partition that came or went.</param>
    /// <param name="cancellationToken">Cancels it as <see cref="MaintainAsync"/>.</param>
    /// <returns>Set by set what was done.</returns>
    /// <exception cref="StalePlanException">By now the plan would say something else; nothing is changed.</exception>
    Task<MaintenanceResult> ApplyAsync(MaintenancePlan plan, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Creates what is missing between the partitions of a set. Stands for <c>partition_gap_fill</c>.</summary>
    /// <param name="table">The partitioned table, with its schema.</param>
    /// <param name="cancellationToken">Cancels it; what is done stays.</param>
    /// <returns>The new partitions.</returns>
    /// <exception cref="PartmanException">One could not be created; those before it are.</exception>
    Task<IReadOnlyList<PartitionChange>> FillGapsAsync(QualifiedName table, CancellationToken cancellationToken = default);

    /// <summary>
    /// Moves the rows of the default partition into partitions of their own, the lowest first, and creates these. Stands for <c>partition_data_proc</c>.
    /// </summary>
    /// <param name="table">The partitioned table, with its schema.</param>
    /// <param name="progress">Told of each partition that was made.</param>
    /// <param name="cancellationToken">Cancels it: the partition at work is left as it was, what is done stays.</param>
    /// <returns>The new partitions; none when there is nothing to move. Rows without a key, and of infinity, stay.</returns>
    /// <remarks>
    /// One range in one transaction, in which the table is locked: nobody ever misses a row or sees it twice, and whoever uses the table waits for the move of
    /// a range. At most <see cref="PartmanOptions.MaxPartitionsPerRun"/> ranges in one call.
    /// </remarks>
    /// <exception cref="PartitionSetConfigurationException">A trigger or a foreign key would take the move for a deletion.</exception>
    /// <exception cref="PartmanException">A range could not be moved; those before it are.</exception>
    Task<IReadOnlyList<PartitionChange>> DrainDefaultAsync(QualifiedName table, IProgress<PartitionChange>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Brings an archived partition back: a table with its rows, compared with the archive and attached to the set again. The archive stays.</summary>
    /// <param name="manifestKey">Key of its manifest in the client's archive: <c>&lt;schema&gt;.&lt;table&gt;.manifest.json</c>.</param>
    /// <param name="attachTo">The set, with its schema; <see langword="null"/> for the one that it came from.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>The partition.</returns>
    /// <remarks>
    /// Nobody waits while rows are read. Where the set's retention would take it away again, the next maintenance does. A process that was killed in between
    /// leaves a table <c>omnipg_restore_…</c>, which the next restore of this archive replaces.
    /// </remarks>
    /// <exception cref="InvalidOperationException">The client was made without an archive.</exception>
    /// <exception cref="PartmanArchiveException">There is no such manifest, or the rows are damaged, or do not fit into the table.</exception>
    /// <exception cref="PartitionOverlapException">Partitions of the set take a part of its range.</exception>
    /// <exception cref="PartitionNameCollisionException">Another relation has its name.</exception>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartmanException">It could not be attached.</exception>
    Task<RestoreResult> RestoreAsync(string manifestKey, QualifiedName? attachTo = null, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="AdoptAsync"/> would find and run, changing nothing.</summary>
    /// <param name="table">A table with partitions, or one that others inherit from, with its schema.</param>
    /// <param name="options">What the catalog does not tell; <see langword="null"/> for nothing.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <exception cref="InvalidPartitionDefinitionException">It cannot be adopted; all reasons.</exception>
    Task<Adoption> PlanAdoptionAsync(QualifiedName table, AdoptionOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Makes a set of a table that has partitions, whatever they are called: column, interval, boundaries and time zone are read from the catalog. A table that
    /// others inherit from, with a trigger that sends rows there, as pg_partman 4 and hand-made ones have it, becomes a declarative set in one short transaction.
    /// </summary>
    /// <param name="table">The table, with its schema.</param>
    /// <param name="options">What the catalog does not tell; <see langword="null"/> for nothing.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>What was found and done.</returns>
    /// <remarks>
    /// A row of pg_partman 4 gives what it knows (interval, premake, retention) and goes; the client needs <see cref="PartmanStore.Own"/> then. Tables that inherit
    /// are attached by their checks, without a scan; the former parent becomes the default partition. Nothing moves.
    /// </remarks>
    /// <exception cref="InvalidPartitionDefinitionException">It cannot be adopted; all reasons.</exception>
    /// <exception cref="PartmanStoreException">The client would keep the set in the tables of pg_partman 4.</exception>
    /// <exception cref="PartitionNameCollisionException">A name that an inheritance set needs is taken.</exception>
    /// <exception cref="PartitionLockTimeoutException">The table was in use all the time; nothing is changed.</exception>
    /// <exception cref="StalePlanException">The table was altered meanwhile; nothing is changed.</exception>
    Task<Adoption> AdoptAsync(QualifiedName table, AdoptionOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Forgets a set: its configuration goes, table, partitions and template stay. A partition whose retirement was interrupted stays as a table; one that was set
    /// aside for the archive gets its name back. Its branches, sets that are partitions of it on any level, are forgotten with it. Stands for <c>config_cleanup</c>.
    /// </summary>
    /// <param name="table">The partitioned table, with its schema; it need not exist any more.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>Whether there was something to forget.</returns>
    /// <exception cref="PartmanBusyException">Somebody else works on it.</exception>
    /// <exception cref="PartmanPoolerException">A pooler hands out backends by transaction.</exception>
    /// <exception cref="PartitionSetConfigurationException">The name of a partition that was set aside is taken by another relation.</exception>
    /// <exception cref="StandbyServerException">The server is a standby.</exception>
    /// <exception cref="PartmanStoreException">The extension asked for is not installed, the server is too old, or the tables are newer than this version knows.</exception>
    /// <exception cref="PartmanPrivilegeException">The role lacks a right; its statements give what is missing.</exception>
    /// <exception cref="PartmanServerException">The server refused a statement, or the connection broke.</exception>
    Task<bool> ForgetAsync(QualifiedName table, CancellationToken cancellationToken = default);

    /// <summary>Looks at all sets and says what is wrong or soon will be.</summary>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The findings.</returns>
    /// <exception cref="PartmanStoreException">The extension asked for is not installed, the server is too old, or the tables are newer than this version knows.</exception>
    /// <exception cref="PartmanPrivilegeException">The role lacks a right; its statements give what is missing.</exception>
    /// <exception cref="PartmanServerException">The server refused a statement, or the connection broke.</exception>
    Task<CheckResult> CheckAsync(CancellationToken cancellationToken = default);

    /// <summary>How a set is defined, with all levels below it, written so that it can be made elsewhere. Stands for <c>dump_partitioned_table_definition</c>.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="format">How. Default <see cref="DefinitionFormat.Json"/>.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <returns>The text, with a line end. Rows and partitions are none of it; a new set begins where <see cref="CreateAsync"/> lets one begin, with boundaries as here.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such format.</exception>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartitionSetConfigurationException">It cannot be worked with, or not be said in that format.</exception>
    Task<string> ExportDefinitionAsync(QualifiedName table, DefinitionFormat format = DefinitionFormat.Json, CancellationToken cancellationToken = default);

    /// <summary>
    /// Looks for values that stand in a set more than once, which no unique index without the control column can refuse. Stands for <c>check_unique_constraint.py</c>.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="columns">The columns that should be unique together. Rows with a null in one of them are passed over, as a unique constraint does.</param>
    /// <param name="cancellationToken">Cancels the search.</param>
    /// <returns>How many there are, and the most frequent ones.</returns>
    /// <remarks>Reads all rows in one snapshot, in the server, and holds nobody up; it may take long and sort on disk.</remarks>
    /// <exception cref="ArgumentException">No columns.</exception>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">The table lacks a column.</exception>
    Task<DuplicatesResult> FindDuplicatesAsync(QualifiedName table, IReadOnlyList<string> columns, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="FreezeAsync"/> would run.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">Which partitions; <see langword="null"/> for all defaults.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    Task<SqlPlan> PlanFreezeAsync(QualifiedName table, FreezeOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Freezes the rows of partitions that end before the current one, the oldest first, so that the server need not do it for all of them at once. Stands for
    /// <c>vacuum_maintenance.py</c>.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">Which partitions, and how gently; <see langword="null"/> for all defaults.</param>
    /// <param name="progress">Told of each partition.</param>
    /// <param name="cancellationToken">Cancels it; what is frozen stays so.</param>
    /// <returns>The partitions that were old enough, with what became of each.</returns>
    /// <remarks>
    /// <c>VACUUM (FREEZE, SKIP_LOCKED)</c>, one table at a time, beside readers, writers and maintenance. The current partition, those ahead and the default one are
    /// left to autovacuum. It reads what is not frozen yet, and writes it once.
    /// </remarks>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartmanServerException">The server refused, or the connection broke; partitions before that one are done.</exception>
    Task<IReadOnlyList<FrozenPartition>> FreezeAsync(QualifiedName table, FreezeOptions? options = null, IProgress<FrozenPartition>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="ApplyConstraintsAsync"/> would run; the values are looked up, which may take long.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">Which columns and partitions; <see langword="null"/> for those of the configuration.</param>
    /// <param name="cancellationToken">Cancels the questions.</param>
    /// <exception cref="InvalidPartitionDefinitionException">They cannot be constrained; all reasons.</exception>
    Task<SqlPlan> PlanConstraintsAsync(QualifiedName table, ConstraintOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Gives cold partitions a check of the least and the greatest value of some columns, so that queries by these columns pass them over. Stands for
    /// <c>apply_constraints</c> and <c>reapply_constraints_proc</c>.
    /// </summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="options">Which columns and partitions; <see langword="null"/> for those of the configuration.</param>
    /// <param name="progress">Told of each column.</param>
    /// <param name="cancellationToken">Cancels it; what is done stays.</param>
    /// <returns>What was done; columns that had such a check already are none of it.</returns>
    /// <remarks>
    /// From then on the partition refuses rows with other values (23514), and updates to such. Each check is made without a look at the rows, which needs a
    /// short exclusive lock of the partition, and proven beside readers and writers; where rows beyond it came meanwhile, it goes again.
    /// </remarks>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="InvalidPartitionDefinitionException">They cannot be constrained; all reasons.</exception>
    /// <exception cref="PartitionLockTimeoutException">A partition was in use all the time; those before it are done.</exception>
    /// <exception cref="PartmanBusyException">Somebody else works on the set.</exception>
    Task<IReadOnlyList<ConstrainedColumn>> ApplyConstraintsAsync(QualifiedName table, ConstraintOptions? options = null, IProgress<ConstrainedColumn>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Drops these checks from all partitions, the extension's included. Stands for <c>drop_constraints</c>.</summary>
    /// <param name="table">The set, with its schema.</param>
    /// <param name="columns">The columns; <see langword="null"/> for all.</param>
    /// <param name="cancellationToken">Cancels it; what is done stays.</param>
    /// <returns>What was dropped.</returns>
    /// <exception cref="PartitionSetNotFoundException">The table is no set.</exception>
    /// <exception cref="PartitionLockTimeoutException">A partition was in use all the time; those before it are done.</exception>
    /// <exception cref="PartmanBusyException">Somebody else works on the set.</exception>
    Task<IReadOnlyList<ConstrainedColumn>> DropConstraintsAsync(QualifiedName table, IReadOnlyList<string>? columns = null, CancellationToken cancellationToken = default);

    /// <summary>A script that gives a role what it needs beside owning the tables. Nobody runs it here.</summary>
    /// <param name="role">The role.</param>
    /// <param name="cancellationToken">Cancels the question what is installed.</param>
    /// <returns>The statements.</returns>
    /// <exception cref="PartmanStoreException">The extension asked for is not installed, the server is too old, or the tables are newer than this version knows.</exception>
    /// <exception cref="PartmanServerException">The server refused a statement, or the connection broke.</exception>
    Task<string> GetGrantScriptAsync(PgIdentifier role, CancellationToken cancellationToken = default);
}
