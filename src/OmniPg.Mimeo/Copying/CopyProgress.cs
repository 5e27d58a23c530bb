namespace OmniPg.Mimeo;

/// <summary>How far a copy is.</summary>
/// <param name="Destination">The table that is filled.</param>
/// <param name="Rows">Whole rows read so far.</param>
/// <param name="Bytes">Bytes handed to the destination so far.</param>
/// <param name="Elapsed">Time since the copy began.</param>
/// <param name="EstimatedRows">Rows that the source's statistics promise; null when they say nothing.</param>
/// <param name="Streams">How many connections copy it at once; the numbers are those of all.</param>
public readonly record struct CopyProgress(QualifiedName Destination, long Rows, long Bytes, TimeSpan Elapsed, long? EstimatedRows = null, int Streams = 1);

/// <summary>How rows travel from server to server.</summary>
public enum CopyFormat
{
    /// <summary>The types' own binary form: the default.</summary>
    Binary,

    /// <summary>Text, for types whose binary form depends on the server (<c>regclass</c>, <c>aclitem</c>, types without <c>send</c> and <c>receive</c>).</summary>
    Text,
}
