namespace Tour;

/// <summary>The tour found something that is not as it promised.</summary>
internal sealed class TourException(string message) : Exception(message);
