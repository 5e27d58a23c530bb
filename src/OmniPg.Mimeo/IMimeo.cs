namespace OmniPg.Mimeo;

/// <summary>Keeps tables of one database like tables of others, pulled from the destination. Thread-safe; one instance per destination is enough.</summary>
/// <remarks>
/// A source needs <c>SELECT</c> and <c>USAGE</c> only. Works on the tables of the extension mimeo where that is installed, else on equal tables of its own.
/// Every refresh is visible as a whole or not at all, and its place in the source commits together with its rows.
/// </remarks>
public interface IMimeo
{
    /// <summary>Creates the package's tables at the destination, or brings older ones up to date; may be repeated. Needs <c>CREATE</c> on the database.</summary>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <exception cref="MimeoStoreException">The tables are newer than this version knows.</exception>
    /// <exception cref="MimeoPermissionException">The role may not create the schema or its tables.</exception>
    /// <exception cref="MimeoServerException">The destination is not to be reached, or refused a statement.</exception>
    Task EnsureCreatedAsync(CancellationToken cancellationToken = default);

    /// <summary>Makes a source known by name: a row of <c>dblink_mapping_mimeo</c>. A name that is known gets the new connection.</summary>
    /// <param name="name">Name to use in <see cref="ReplicationSpec.From"/>; not empty and no number.</param>
    /// <param name="connectionString">
    /// Connection string of Npgsql. A password in it is stored as it is, readable for whoever reads the table; leave it out where a password file or
    /// <see cref="MimeoOptions.Sources"/> has it. Settings of the driver alone, such as those of its pool, are not stored: a data source of your own has them.
    /// </param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="ArgumentException">The name is none, a number or <c>destination</c>, or the connection string has a setting that libpq does not know.</exception>
    Task AddSourceAsync(string name, string connectionString, CancellationToken cancellationToken = default);

    /// <summary>All sources, by name.</summary>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="MimeoStoreException">The package's tables are missing, or newer than this version knows.</exception>
    /// <exception cref="MimeoPermissionException">The role may not read the configuration.</exception>
    /// <exception cref="MimeoServerException">The destination is not to be reached, or refused a statement.</exception>
    Task<IReadOnlyList<MimeoSource>> ListSourcesAsync(CancellationToken cancellationToken = default);

    /// <summary>Forgets a source.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="UnknownSourceException">There is none of that name.</exception>
    /// <exception cref="ReplicationConflictException">Tables still come from it.</exception>
    Task RemoveSourceAsync(string name, CancellationToken cancellationToken = default);

    /// <summary>Sets up one table: creates it where it is missing, pulls the first rows, then builds indexes, all in one transaction. Stands for the <c>…_maker</c> functions.</summary>
    /// <param name="spec">The table.</param>
    /// <param name="options">What to leave out; null does all of it.</param>
    /// <param name="progress">Told of the copy at most five times a second, on the thread that copies.</param>
    /// <param name="cancellationToken">Cancels it; nothing is left behind then.</param>
    /// <remarks>A destination that exists is taken as it is: no rows are pulled and no indexes built. A snapshot must not exist.</remarks>
    /// <exception cref="ArgumentException">The specification contradicts itself.</exception>
    /// <exception cref="ReplicationConflictException">The destination is managed already, or holds the older images of another one, or a managed table stands where its own have to be.</exception>
    /// <exception cref="DestinationExistsException">Something is where a snapshot's view or tables have to be, or what is no history of the destination where that has to be.</exception>
    /// <exception cref="MimeoPermissionException">The role may not do what is needed; the message has the statements that mend it.</exception>
    /// <exception cref="SourceTableNotFoundException">The source has no such table, or the role may not see it.</exception>
    /// <exception cref="ColumnDriftException">Columns are unknown at the source, or do not fit those of the destination.</exception>
    /// <exception cref="NoReplicationKeyException">The method needs a key; the source has none, and none was given.</exception>
    /// <exception cref="SourceKindException">The source of a dml or logdel is no table, or stands at a standby.</exception>
    /// <exception cref="LogicalSourceException">The source of a logical table cannot be followed by its log.</exception>
    /// <exception cref="QueueLimitException">The source feeds a hundred destinations by queues already.</exception>
    /// <exception cref="QueueLeftException">It failed, and queue and trigger, or publication and slot, could not be removed from the source.</exception>
    Task<CreateResult> CreateAsync(ReplicationSpec spec, CreateOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Says which rights the roles of both sides lack for a table, as statements that give them. Changes nothing.</summary>
    /// <param name="spec">The table: one to be set up, or as <see cref="FindAsync"/> gives one that is managed.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>
    /// Looks into the catalogs only. For a table that is to be set up it asks for what makes it, for a managed one for what refreshes and repulls it. Where the package's tables
    /// cannot be read here, the source is not known yet, and only this side is looked at. A right that only shows when a row is read, such as that of a function behind a view, is not seen.
    /// </remarks>
    /// <exception cref="ArgumentException">The specification contradicts itself.</exception>
    /// <exception cref="UnknownSourceException">The source is not stored.</exception>
    /// <exception cref="SourceConnectionException">The source cannot be reached.</exception>
    /// <exception cref="SourceTableNotFoundException">The source has no such table.</exception>
    /// <exception cref="ColumnDriftException">Columns are unknown at the source.</exception>
    /// <exception cref="InvalidConditionException">The condition makes no query of the source.</exception>
    /// <exception cref="MimeoPermissionException">The condition names a schema that the role may not use; the server's message says which.</exception>
    Task<AccessResult> CheckAccessAsync(ReplicationSpec spec, CancellationToken cancellationToken = default);

    /// <summary>Says what <see cref="CreateAsync"/> would do: the statements for each server, how the rows are divided among streams, and the rights that are missing. Changes nothing.</summary>
    /// <param name="spec">The table, which is not managed yet.</param>
    /// <param name="options">As for the set-up.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>
    /// Made of the same statements as the set-up, for both databases as they are now: a queue gets the first free name, an index one that is free. Both are only read, under locks that hinder neither readers nor writers.
    /// Which columns the condition of a logical table reads is known to its set-up alone, and so is whether a type, a function or an index of the source can be had here.
    /// </remarks>
    /// <exception cref="ArgumentException">The specification contradicts itself.</exception>
    /// <exception cref="MimeoStoreException">The package's tables are missing, or newer than this version knows.</exception>
    /// <exception cref="ReplicationConflictException">
    /// The destination is managed already, or holds the older images of another one, or a managed table stands where its own have to be; or it stands in tables of the extension, which cannot hold an option; or the source
    /// is called <c>destination</c>, as only one stored by an older version can be.
    /// </exception>
    /// <exception cref="DestinationExistsException">Something is where a snapshot's view or tables have to be, or what is no history of the destination where that has to be.</exception>
    /// <exception cref="SourceTableNotFoundException">The source has no such table, or the role may not see it.</exception>
    /// <exception cref="ColumnDriftException">Columns are unknown at the source, or do not fit those of the destination.</exception>
    /// <exception cref="InvalidConditionException">The condition makes no query of the source.</exception>
    /// <exception cref="NoReplicationKeyException">The method needs a key; the source has none, and none was given.</exception>
    /// <exception cref="SourceKindException">The source of a dml or logdel is no table, or stands at a standby.</exception>
    /// <exception cref="LogicalSourceException">The source of a logical table cannot be followed by its log.</exception>
    /// <exception cref="QueueLimitException">The source feeds a hundred destinations by queues already.</exception>
    /// <exception cref="MimeoPermissionException"><see cref="CreateOptions.Owner"/> is no role that the tables can be given to.</exception>
    Task<ExplainResult> ExplainAsync(ReplicationSpec spec, CreateOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Says what <see cref="RefreshAsync"/> would do now: the statements for each server, how the rows are divided among streams, and the rights that are missing. Changes nothing.</summary>
    /// <param name="destination">The table, with its schema.</param>
    /// <param name="options">As for the refresh; how long it waits for another one means nothing here.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>
    /// <para>Made of the same statements as the refresh, for both databases as they are now, which are only read, under locks that hinder neither readers nor writers; a refresh that runs meanwhile keeps it waiting for no longer than <see cref="MimeoOptions.LockTimeout"/>. A step of kind
    /// <c>skip</c> says why nothing would be read. What the log of a logical table brings is known when it is read. Where the tables of a snapshot are made anew,
    /// their indexes get the names that those of today have, and others in the plan.</para>
    /// <para>The steps are no script: a refresh keeps one snapshot of the source from the first to the last, and commits there behind its commit here. Entries of a queue that are deleted by hand
    /// may be others than those whose rows have come. Left out are the renewal of a queue's function behind an upgrade of this package, and what a history of deleted rows gets in columns.</para>
    /// </remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    /// <exception cref="ArgumentException">An option means nothing for the kind of the table.</exception>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="DestinationMissingException">The table is gone.</exception>
    /// <exception cref="SourceTableNotFoundException">The source has no such table any more, or the role may not see it.</exception>
    /// <exception cref="ColumnDriftException">The columns do not fit any more, or the queue has not those that it needs.</exception>
    /// <exception cref="QueueMissingException">The queue at the source is gone.</exception>
    /// <exception cref="DependentObjectsException">A foreign key refers to rows that the refresh would delete.</exception>
    /// <exception cref="MimeoLockException">A refresh at work holds what is looked at.</exception>
    /// <exception cref="SlotLostException">Changes of a logical table are missing: repull it.</exception>
    /// <exception cref="NullCursorException">The source has rows without a cursor value, and <see cref="RefreshOptions.NullCursor"/> says to fail.</exception>
    /// <exception cref="BatchStalledException">The limit is smaller than the number of rows that share one value.</exception>
    Task<ExplainResult> ExplainRefreshAsync(QualifiedName destination, RefreshOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Brings one table up to date. Stands for the <c>refresh_…</c> functions.</summary>
    /// <param name="destination">The table, with its schema.</param>
    /// <param name="options">What is different this time; null for nothing.</param>
    /// <param name="progress">As for <see cref="CreateAsync"/>.</param>
    /// <param name="cancellationToken">Cancels it; the table stays as it was.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="SourceSettingException">The stored connection of the source cannot be used by the driver.</exception>
    /// <exception cref="CopyInterruptedException">One side broke off; the table is as it was.</exception>
    /// <exception cref="ColumnDriftException">The columns do not fit any more.</exception>
    /// <exception cref="QueueMissingException">The queue of a dml or logdel is gone from the source.</exception>
    /// <exception cref="SlotLostException">Changes of a logical table are missing: repull it.</exception>
    /// <exception cref="RowMissingException">A row of a logical table is gone that a change needs: repull it.</exception>
    /// <exception cref="NullCursorException">The source has rows without a cursor value, and <see cref="RefreshOptions.NullCursor"/> says to fail.</exception>
    /// <exception cref="BatchStalledException">The limit is smaller than the number of rows that share one value.</exception>
    /// <exception cref="MimeoLockException">A lock of a table was not to be had in <see cref="MimeoOptions.LockTimeout"/>.</exception>
    Task<RefreshResult> RefreshAsync(QualifiedName destination, RefreshOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Brings several tables up to date as one: from one snapshot of each source, in one transaction here. Whoever reads sees all of it or nothing.</summary>
    /// <param name="destinations">The tables, each with its schema; at least one, none twice.</param>
    /// <param name="options">What is different this time; null for nothing.</param>
    /// <param name="progress">As for <see cref="CreateAsync"/>; of one table after another.</param>
    /// <param name="cancellationToken">Cancels it; all tables stay as they were.</param>
    /// <returns>One result for each table, in the order given. <see cref="RefreshStatus.SkippedLocked"/> for all where one of them is being refreshed.</returns>
    /// <remarks>
    /// Each of them is read, whether its source had writes or not, and without <see cref="ReplicationSpec.BatchLimit"/>: half of a change in one table would contradict the
    /// other. The views of snapshots change over in the same transaction. An inserter or updater stays its boundary behind even so.
    /// </remarks>
    /// <exception cref="ArgumentException">There is no table, or one of them twice.</exception>
    /// <exception cref="NotManagedException">One of them is not managed here.</exception>
    /// <exception cref="CopyInterruptedException">One side broke off; all tables are as they were.</exception>
    /// <exception cref="ColumnDriftException">The columns of one do not fit any more.</exception>
    /// <exception cref="QueueMissingException">The queue of one is gone from its source.</exception>
    /// <exception cref="MimeoLockException">A lock of a table was not to be had in <see cref="MimeoOptions.LockTimeout"/>.</exception>
    Task<IReadOnlyList<RefreshResult>> RefreshGroupAsync(
        IReadOnlyCollection<QualifiedName> destinations, GroupOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Refreshes the tables whose <see cref="ReplicationSpec.Period"/> is over since their last refresh, those first that waited longest. Stands for <c>run_refresh.py</c>.</summary>
    /// <param name="options">Which, and how many at once; null for all, one after another.</param>
    /// <param name="progress">As for <see cref="CreateAsync"/>; of several tables in turn.</param>
    /// <param name="cancellationToken">Cancels it; a table that is being refreshed stays as it was.</param>
    /// <returns>One entry for each table that was due. One that fails stops no other.</returns>
    /// <remarks>May run in several processes: a table that another one refreshes is <see cref="RefreshStatus.SkippedLocked"/>.</remarks>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    Task<DueResult> RefreshDueAsync(DueOptions? options = null, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Compares a table with its source, but for the rows that the next refresh brings. Stands for <c>validate_rowcount()</c>.</summary>
    /// <param name="destination">The table, with its schema.</param>
    /// <param name="options">How; null counts rows, and waits for no refresh.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>
    /// A logical table is brought up to date for the comparison and put back. Left out on both sides are the keys in the queue of a dml or logdel, and the rows beyond the place of an inserter or updater, so that a table that is written to meanwhile is
    /// equal when it is. Rows that were deleted at the source of an inserter or updater are a difference, and so are writes since the last refresh of a snapshot or table.
    /// </remarks>
    /// <exception cref="ArgumentException">Bounds are given for a table without a cursor column.</exception>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="ColumnDriftException">The columns do not fit any more.</exception>
    /// <exception cref="MimeoLockException">A refresh of the table is running.</exception>
    Task<ValidationResult> ValidateAsync(QualifiedName destination, ValidationOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Finds the rows by which a table with a key differs from its source, but for those that the next refresh brings. Changes nothing.</summary>
    /// <param name="destination">The table, with its schema: an updater, dml, logdel or logical table.</param>
    /// <param name="options">How; null tells 1,000 rows by their key, and waits for no refresh.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>Reads all rows of both sides where they are, twice at most, and transfers keys of those parts of the table only that differ. What is left out is that of <see cref="ValidateAsync"/>.</remarks>
    /// <exception cref="ArgumentException">The table has no key.</exception>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="ColumnDriftException">The columns do not fit any more.</exception>
    /// <exception cref="CopyInterruptedException">One side broke off.</exception>
    /// <exception cref="MimeoLockException">A refresh of the table is running.</exception>
    Task<ComparisonResult> CompareAsync(QualifiedName destination, ComparisonOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Finds those rows and puts the source's in their place, in one transaction of the destination. Nothing is written at the source.</summary>
    /// <param name="destination">The table, as for <see cref="CompareAsync"/>.</param>
    /// <param name="options">As for <see cref="CompareAsync"/>; all differences are repaired, however many are told.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>What was found, and is repaired.</returns>
    /// <remarks>
    /// A row is deleted only where the source was asked for its key, in the snapshot of the comparison and with a proof that all keys came, and has none; what is in a queue is left to the
    /// next refresh. A logdel keeps such a row with the present time in <c>mimeo_source_deleted</c>. Rows that were deleted at the source of an updater go, and its place goes back to the
    /// largest value that stays: what a standby that lags did not have yet comes again. Rows of other tables that go with a deleted one are told. A logical table is brought up to date in the same transaction.
    /// </remarks>
    /// <exception cref="ArgumentException">The table has no key.</exception>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="ColumnDriftException">The columns do not fit any more.</exception>
    /// <exception cref="CopyInterruptedException">One side broke off; the table is as it was.</exception>
    /// <exception cref="MimeoLockException">A refresh of the table is running, or a lock of it was not to be had in <see cref="MimeoOptions.LockTimeout"/>.</exception>
    Task<ComparisonResult> RepairAsync(QualifiedName destination, ComparisonOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Finds queues, slots and publications at a source that belong to no table managed here, with the statements that take them away. Changes nothing.</summary>
    /// <param name="source">Name of the source.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>A set-up that died, a destination that was restored or given up, a drop with <see cref="SourceCleanup.Skip"/> leave such things behind.</remarks>
    /// <exception cref="UnknownSourceException">There is none of that name.</exception>
    /// <exception cref="SourceConnectionException">The source cannot be reached.</exception>
    Task<IReadOnlyList<SourceOrphan>> FindOrphansAsync(string source, CancellationToken cancellationToken = default);

    /// <summary>All managed tables, by name.</summary>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="MimeoStoreException">The package's tables are missing, or newer than this version knows.</exception>
    /// <exception cref="MimeoPermissionException">The role may not read the configuration.</exception>
    /// <exception cref="MimeoServerException">The destination is not to be reached, or refused a statement.</exception>
    Task<IReadOnlyList<ReplicationSpec>> ListAsync(CancellationToken cancellationToken = default);

    /// <summary>One managed table; null when it is not managed.</summary>
    /// <param name="destination">The table, with its schema.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="MimeoStoreException">The package's tables are missing, or newer than this version knows.</exception>
    /// <exception cref="MimeoPermissionException">The role may not read the configuration.</exception>
    /// <exception cref="MimeoServerException">The destination is not to be reached, or refused a statement.</exception>
    Task<ReplicationSpec?> FindAsync(QualifiedName destination, CancellationToken cancellationToken = default);

    /// <summary>What <see cref="ApplyTablesAsync"/> would do. Changes nothing, and contacts no source.</summary>
    /// <param name="tables">The tables as they are wanted, each destination once.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <returns>One entry for each table, in the order given.</returns>
    /// <exception cref="ArgumentException">A specification contradicts itself, or a table is declared twice.</exception>
    /// <exception cref="UnknownSourceException">A table that is to be set up comes from a source that is not stored.</exception>
    /// <exception cref="ReplicationConflictException">Tables are managed with another kind, source, cursor, key, or, where not all rows are read each time, other columns or another condition; all of them.</exception>
    Task<IReadOnlyList<DeclaredTable>> PlanTablesAsync(IReadOnlyCollection<ReplicationSpec> tables, CancellationToken cancellationToken = default);

    /// <summary>Makes the tables what they are wanted to be: sets up those that are not managed, changes the configuration of others, leaves the rest alone. May be repeated.</summary>
    /// <param name="tables">The tables, each destination once. A key that is not given is that of the table. Tables that are managed and not among them stay.</param>
    /// <param name="progress">As for <see cref="CreateAsync"/>.</param>
    /// <param name="cancellationToken">Cancels it; tables that are done stay so.</param>
    /// <returns>One entry for each table, in the order given.</returns>
    /// <remarks>All of them are compared first, and nothing is changed where one cannot be. Then each is a call of <see cref="CreateAsync"/> or <see cref="UpdateAsync"/>, with their errors; the first one ends it.</remarks>
    /// <exception cref="ArgumentException">A specification contradicts itself, or a table is declared twice.</exception>
    /// <exception cref="UnknownSourceException">A table that is to be set up comes from a source that is not stored.</exception>
    /// <exception cref="ReplicationConflictException">Tables are managed in another way (<see cref="PlanTablesAsync"/>).</exception>
    Task<IReadOnlyList<DeclaredTable>> ApplyTablesAsync(IReadOnlyCollection<ReplicationSpec> tables, IProgress<CopyProgress>? progress = null, CancellationToken cancellationToken = default);

    /// <summary>Changes what a managed table is refreshed by: <see cref="ReplicationSpec.Period"/>, <see cref="ReplicationSpec.BatchLimit"/>, <see cref="ReplicationSpec.Audit"/>, the options of a snapshot or table, and which columns and rows those two have.</summary>
    /// <param name="spec">The table as <see cref="FindAsync"/> gives it, with other values.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <returns>The table as it is stored then. Other columns or rows come with the next refresh.</returns>
    /// <remarks>
    /// Waits for a refresh of the table that is running. <see cref="ReplicationSpec.KeepHistory"/> makes its table here, where there is none; a table that shall keep no more of it leaves that one with its rows.
    /// </remarks>
    /// <exception cref="ArgumentException">The specification contradicts itself, or differs in what cannot be changed.</exception>
    /// <exception cref="ReplicationConflictException">The table stands in tables of the extension, which cannot hold an option, or a managed table stands where its history has to be.</exception>
    /// <exception cref="DestinationExistsException">What is no history of the table stands where that has to be.</exception>
    /// <exception cref="ColumnDriftException">The history that the table had before lacks a column that a refresh writes, or has another type. The source is asked for them then.</exception>
    /// <exception cref="SourceConnectionException">It cannot be reached for that.</exception>
    /// <exception cref="MimeoPermissionException">The history cannot be given to the owner of the table; the message has the statements that mend it.</exception>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="MimeoLockException">A refresh ran longer than <see cref="MimeoOptions.LockTimeout"/>.</exception>
    Task<ReplicationSpec> UpdateAsync(ReplicationSpec spec, CancellationToken cancellationToken = default);

    /// <summary>How far a table is: the time since its last refresh, and what waits at the source. Reads no rows of the table and takes no lock of it. Sets the package's gauges.</summary>
    /// <param name="destination">The table, with its schema.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="SourceConnectionException">The source cannot be reached.</exception>
    Task<TableStatusResult> StatusAsync(QualifiedName destination, CancellationToken cancellationToken = default);

    /// <summary>How large the sources of snapshots are, which each refresh reads as a whole. Stands for <c>snapshot_monitor()</c>. Changes nothing.</summary>
    /// <param name="options">Which of them, and how; null for the estimates of all.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <returns>One entry for each snapshot that meets a limit, by name; all where there is no limit.</returns>
    /// <exception cref="ArgumentException">The table is no snapshot.</exception>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">The options cannot work: all failures at once.</exception>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="SourceConnectionException">A source cannot be reached.</exception>
    /// <exception cref="SourceTableNotFoundException">A source has no such table any more.</exception>
    /// <exception cref="MimeoPermissionException">Rows are to be counted that the role may not read.</exception>
    Task<IReadOnlyList<SnapshotSize>> SnapshotMonitorAsync(SnapshotMonitorOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Compares the columns of a table with those of its source, and says what mends them. Stands for <c>check_source_columns()</c>. Changes nothing.</summary>
    /// <param name="destination">The table, with its schema.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>Types are compared by their names, as a refresh compares them. Columns that only the destination has are no difference.</remarks>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="SourceTableNotFoundException">The source has no such table any more.</exception>
    /// <exception cref="DestinationMissingException">The table is not there any more.</exception>
    /// <exception cref="SourceConnectionException">The source cannot be reached.</exception>
    Task<DriftResult> FindDriftAsync(QualifiedName destination, CancellationToken cancellationToken = default);

    /// <summary>Tables of a source from which nothing here comes, by name. Stands for <c>check_missing_source_tables()</c>.</summary>
    /// <param name="source">Name of the source.</param>
    /// <param name="includeViews">Whether views and materialized views count. Default false: tables, partitioned tables and foreign tables.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <remarks>Partitions come with their table. Left out are the server's own schemas and those of the package's and the extension's tables.</remarks>
    /// <exception cref="UnknownSourceException">There is no source of that name.</exception>
    /// <exception cref="SourceConnectionException">The source cannot be reached.</exception>
    Task<IReadOnlyList<QualifiedName>> FindUnreplicatedAsync(string source, bool includeViews = false, CancellationToken cancellationToken = default);

    /// <summary>Moves sources and managed tables out of the tables of the extension into the package's own, so that the extension can be dropped. In one transaction.</summary>
    /// <param name="cancellationToken">Cancels it; nothing is moved then.</param>
    /// <remarks>The tables themselves, their queues and triggers stay as they are. From then on the package's own tables count, whether the extension is installed or not, and the extension's functions know none of the tables.</remarks>
    /// <exception cref="ReplicationConflictException">The configuration stands in own tables already.</exception>
    /// <exception cref="MimeoLockException">A refresh is running; nothing was moved.</exception>
    /// <exception cref="MimeoPermissionException">The role may not read or empty the extension's tables.</exception>
    Task<MoveResult> ImportFromExtensionAsync(CancellationToken cancellationToken = default);

    /// <summary>The way back: moves them into the empty tables of the extension and drops the package's own. Logical tables, which the extension does not know, stay.</summary>
    /// <param name="cancellationToken">Cancels it; nothing is moved then.</param>
    /// <exception cref="ReplicationConflictException">The extension is missing, holds sources or tables already, or cannot hold a boundary or an option of a table.</exception>
    /// <exception cref="MimeoLockException">A refresh is running; nothing was moved.</exception>
    /// <exception cref="MimeoPermissionException">The role may not write the extension's tables.</exception>
    Task<MoveResult> ExportToExtensionAsync(CancellationToken cancellationToken = default);

    /// <summary>Ends the management of a table. Stands for the <c>…_destroyer</c> functions.</summary>
    /// <param name="destination">The table, with its schema.</param>
    /// <param name="keepTable">Whether its rows stay, as a table of that name, and the older images of deleted ones beside it. Default true. False drops both, whatever <see cref="ReplicationSpec.KeepHistory"/> says by now, and nothing beside it that was not made for them.</param>
    /// <param name="sourceCleanup">What becomes of queue and trigger of a dml or logdel, and of publication and slot of a logical table. Default: they are dropped, which needs the owner of the source's table.</param>
    /// <param name="cancellationToken">Cancels it; nothing is changed then.</param>
    /// <exception cref="NotManagedException">The table is not managed here.</exception>
    /// <exception cref="MimeoPermissionException">The role may not drop the trigger; nothing was changed.</exception>
    /// <exception cref="SourceConnectionException">The source cannot be reached; nothing was changed.</exception>
    Task<DropResult> DropAsync(QualifiedName destination, bool keepTable = true, SourceCleanup sourceCleanup = SourceCleanup.Require, CancellationToken cancellationToken = default);
}
